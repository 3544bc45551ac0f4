/* Error codes of the core, with a message for each. The binding raises exceptions with
   the messages of fm_status_message. */
#ifndef FM_STATUS_H
#define FM_STATUS_H

enum fm_status {
    FM_OK = 0,
    FM_IDX_NO_HEADER,
    FM_IDX_BAD_MAGIC,
    FM_IDX_BAD_TYPE,
    FM_IDX_TOO_LARGE,
    FM_PNG_BAD_FILTER,
    FM_PIPELINE_WAITING,
    FM_PIPELINE_FINISHED,
    FM_PIPELINE_CLOSED,
    FM_PIPELINE_FORKED,
    FM_PIPELINE_FILLING,
    FM_PIPELINE_DAMAGED,
    FM_NO_MEMORY,
    FM_SLOTS_IN_USE
};

static inline const char *fm_status_message(enum fm_status status)
{
    switch (status) {
    case FM_OK:
        return "no error";
    case FM_IDX_NO_HEADER:
        return "the file ends inside the IDX header";
    case FM_IDX_BAD_MAGIC:
        return "an IDX file must start with two zero bytes";
    case FM_IDX_BAD_TYPE:
        return "the IDX type byte must be 08, 09, 0B, 0C, 0D or 0E";
    case FM_IDX_TOO_LARGE:
        return "the IDX dimensions must multiply to at most 2**62 bytes";
    case FM_PNG_BAD_FILTER:
        return "the filter type of a PNG row must be 0 to 4";
    case FM_PIPELINE_WAITING:
        return "the next batch is not ready yet";
    case FM_PIPELINE_FINISHED:
        return "the epoch has no more batches";
    case FM_PIPELINE_CLOSED:
        return "the loader was closed while this iterator was in use.\n"
               "Start a new one with iter(loader).";
    case FM_PIPELINE_FORKED:
        return "this iterator was made before a fork and has no threads in the child "
               "process.\nStart a new one with iter(loader).";
    case FM_PIPELINE_FILLING:
        return "a C function in augment= can't wait for the loader that calls it.\n"
               "Use another loader there, or close this one in another thread.";
    case FM_PIPELINE_DAMAGED:
        return "a mapped file can't be read any more";
    case FM_NO_MEMORY:
        return "there is not enough memory for another batch.\n"
               "Release earlier batches, or pass a smaller batch_size.";
    case FM_SLOTS_IN_USE:
        return "all supplied slots are still in use, except the ones for batches "
               "ahead.\nRelease earlier batches, or pass more slots.";
    }
    return "unknown status";
}

#endif
