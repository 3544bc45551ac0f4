"""The files of the family as they are published: where, how long, which hashes.

Sizes and SHA-256 of compressed files: the checksum lists of TensorFlow Datasets; those
of MNIST, KMNIST and QMNIST are also in torchvision's sources, as is each MD5. SHA-256
of inflated files: of Fashion-MNIST and MNIST's test files computed, of MNIST's training
files as many repositories have it; nobody publishes the others. EMNIST is published as
one zip file, and the files inside have no hashes of their own.
"""

from __future__ import annotations

from collections.abc import Sequence

from .published import RemoteFile

# Name, size and MD5 as compressed, SHA-256 as compressed, and inflated where known.
_Row = tuple[str, int, str, str, str | None]

_FASHION_MNIST: tuple[_Row, ...] = (
    (
        "train-images-idx3-ubyte.gz",
        26421880,
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    ),
    (
        "train-labels-idx1-ubyte.gz",
        29515,
        "25c81989df183df01b3e8a0aad5dffbe",
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    ),
    (
        "t10k-images-idx3-ubyte.gz",
        4422102,
        "bef4ecab320f06d8554ea6380940ec79",
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    ),
    (
        "t10k-labels-idx1-ubyte.gz",
        5148,
        "bb300cfdad3c16e7a12a480ee83cd310",
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
)

_MNIST: tuple[_Row, ...] = (
    (
        "train-images-idx3-ubyte.gz",
        9912422,
        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    (
        "train-labels-idx1-ubyte.gz",
        28881,
        "d53e105ee54ea40749a09fcbcd1e9432",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    (
        "t10k-images-idx3-ubyte.gz",
        1648877,
        "9fb629c4189551a2d022fa330f9573f3",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    (
        "t10k-labels-idx1-ubyte.gz",
        4542,
        "ec29112dd5afa0611ce80d1b7f02629c",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
)

_KMNIST: tuple[_Row, ...] = (
    (
        "train-images-idx3-ubyte.gz",
        18165135,
        "bdb82020997e1d708af4cf47b453dcf7",
        "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
        None,
    ),
    (
        "train-labels-idx1-ubyte.gz",
        29497,
        "e144d726b3acfaa3e44228e80efcd344",
        "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
        None,
    ),
    (
        "t10k-images-idx3-ubyte.gz",
        3041136,
        "5c965bf0a639b31b8f53240b1b52f4d7",
        "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
        None,
    ),
    (
        "t10k-labels-idx1-ubyte.gz",
        5120,
        "7320c461ea6c1c855c0b718fb2a4b134",
        "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
        None,
    ),
)

_QMNIST: tuple[_Row, ...] = (
    (
        "qmnist-train-images-idx3-ubyte.gz",
        9704059,
        "ed72d4157d28c017586c42bc6afe6370",
        "9e26a7bf1683614e065d7b76460ccd52807165b3f22561fb782bd9f38c52b51d",
        None,
    ),
    (
        "qmnist-train-labels-idx2-int.gz",
        463024,
        "0058f8dd561b90ffdd0f734c6a30e5e4",
        "2c05dc77f6b916b38e455e97ab129a42a444f3dbef09b278a366f82904e0dd9f",
        None,
    ),
    (
        "qmnist-test-images-idx3-ubyte.gz",
        9742279,
        "1394631089c404de565df7b7aeaf9412",
        "43fc22bf7498b8fc98de98369d72f752d0deabc280a43a7bcc364ab19e57b375",
        None,
    ),
    (
        "qmnist-test-labels-idx2-int.gz",
        526800,
        "5b5b05890a5e13444e108efe57b788aa",
        "9fbcbe594c3766fdf4f0b15c5165dc0d1e57ac604e01422608bb72c906030d06",
        None,
    ),
)


def _remote(mirrors: Sequence[str], rows: Sequence[_Row]) -> tuple[RemoteFile, ...]:
    return tuple(
        RemoteFile(
            name, tuple(mirror + name for mirror in mirrors), sha256, md5, nbytes
        )
        for name, nbytes, md5, sha256, _ in rows
    )


# What to fetch, by the folder that it goes into.
REMOTE: dict[str, tuple[RemoteFile, ...]] = {
    "fashion-mnist": _remote(
        (
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/"
            "data/fashion/",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ),
        _FASHION_MNIST,
    ),
    "mnist": _remote(
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        _MNIST,
    ),
    "kmnist": _remote(
        (
            "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
            "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        ),
        _KMNIST,
    ),
    "emnist": (
        RemoteFile(
            "emnist-gzip.zip",
            ("https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip",),
            "fb9bb67e33772a9cc0b895e4ecf36d2cf35be8b709693c3564cea2a019fcda8e",
            "58c8d27c78d21e728a6bc7b3cc06412e",
            561753746,
        ),
    ),
    "qmnist": _remote(
        ("https://raw.githubusercontent.com/facebookresearch/qmnist/master/",),
        _QMNIST,
    ),
}

# SHA-256 of inflated files, by dataset and name.
IDX_SHA256: dict[str, dict[str, str]] = {
    name: {row[0].removesuffix(".gz"): row[4] for row in rows if row[4]}
    for name, rows in (("fashion-mnist", _FASHION_MNIST), ("mnist", _MNIST))
}
