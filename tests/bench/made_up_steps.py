"""Steps for bench.gpu_check that need no GPU."""

from bench.gpu_steps import Step


def python(name, code, estimate=20, **more):
    return Step(name, ("-I", "-S", "-c", code), estimate, **more)


GOOD = python("good", "print('well')", figures=lambda folders: {"note": "seen", "value": 3})
