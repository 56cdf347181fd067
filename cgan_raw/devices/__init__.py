"""What a backend is, the choice of one by --device, and the GPU's."""
