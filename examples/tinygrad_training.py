"""Loss max-pooling in a training by tinygrad, on its CL device.

SPDX-License-Identifier: Apache-2.0

The buffers of tinygrad's CL device are OpenCL's own, so logits and labels are read where they lie, the gradient is written
where tinygrad reads it, and all of it goes through tinygrad's queue: nothing is copied.  That makes a network that trains
on any GPU with an OpenCL driver.

    pip install tinygrad && pip install .    # the latter in a clone of libclmp
    python tinygrad_training.py

It prints:
    the gradient has the bits that arrays get: True
    after 40 steps the loss is below that of guessing, ln 3: True
"""

import ctypes

import numpy as np
from tinygrad import Context, Device, Tensor, dtypes, nn

import libclmp

CL = Device["CL"]


def address(handle):
    """The number of an OpenCL object, which tinygrad has as a pointer of ctypes."""
    return ctypes.cast(handle, ctypes.c_void_p).value


def place(tensor):
    """The buffer of a tensor that is computed, and where in it the tensor begins, as a plan takes it."""
    buffer = tensor.uop.base.buffer
    return address(buffer.ensure_allocated()._buf), 0


class MaxPooling:
    """The pooled loss of logits (N, C, H, W) and labels (N, H, W), int32, of one shape."""

    def __init__(self, shape, **options):
        context = libclmp.Context.from_pyopencl(address(CL.context), address(CL.cl_dev))
        sizes = dict(zip(("images", "classes", "height", "width"), shape))
        self.plan = libclmp.Plan(context, **sizes, label_type="int32", **options)
        self.gradient = Tensor.zeros(*shape, device="CL").contiguous().realize()
        self.record = Tensor.zeros(self.plan.result_size // 4, device="CL").contiguous().realize()

    def __call__(self, logits, labels):
        """The loss, a tensor without a dimension, and its gradient with respect to the logits, until the next call."""
        logits = logits.contiguous().realize()
        places = {"logits": logits, "labels": labels, "gradient": self.gradient, "result": self.record}
        self.plan.enqueue_gradient(address(CL.queue), **{name: place(tensor) for name, tensor in places.items()})
        return self.record[0], self.gradient


class Network:
    """Two convolutions."""

    def __init__(self, classes):
        self.first, self.last = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, classes, 1)

    def __call__(self, images):
        return self.last(self.first(images).relu())


def main():
    Tensor.manual_seed(1)
    random = np.random.default_rng(1)
    images = random.random((2, 3, 24, 32), np.float32)
    masks = images.argmax(1).astype(np.int32)  # what there is to learn: which colour is the strongest
    masks[0, :4] = 255  # left out
    x, y = Tensor(images).realize(), Tensor(masks, dtype=dtypes.int32).realize()

    network = Network(3)
    optimizer = nn.optim.Adam(nn.state.get_parameters(network), lr=0.03)
    criterion = MaxPooling((2, 3, 24, 32), p=1.7, support=0.25)

    logits = network(x).realize()
    loss, gradient = criterion(logits, y)
    arrays = libclmp.loss(logits.numpy(), masks, gradient=True)
    same = loss.item() == arrays.loss and gradient.numpy().tobytes() == arrays.gradient.tobytes()
    print("the gradient has the bits that arrays get:", same)

    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        logits = network(x)
        loss, gradient = criterion(logits.detach(), y)
        logits.backward(gradient)  # from the logits on it is tinygrad's
        optimizer.step()
        losses.append(loss.item())
    print("after 40 steps the loss is below that of guessing, ln 3:", losses[-1] < np.log(3.0))


if __name__ == "__main__":
    with Context(DEV="CL", TRAINING=1):
        main()
