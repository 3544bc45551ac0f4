"""The kernels of the core for NVIDIA's devices, as text for their compiler."""
