"""How a defect of one op is listed, and the kernel that it spoils."""

from cgan_raw.kernels.registry import ops

OWN = {}  #: the name of an op -> its defects


def reference(name, *arguments):
    ops()[name].implementation("reference")(*arguments)


def breaks(op_name):
    def register(function):
        OWN.setdefault(op_name, []).append(function)
        return function

    return register
