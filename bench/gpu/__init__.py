"""What :mod:`bench.gpu_check` measures, each in a process of its own: ``python -m bench.gpu.NAME FILE``."""
