"""Where this folder comes first on PYTHONPATH, every Python process and its children have an emulated GPU."""

from emulated_gpu import hook

hook.register()
