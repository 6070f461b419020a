"""Networks: flat Keras graphs over named backbones, cut at named tensors."""
