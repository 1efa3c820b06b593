"""The table and the JSON of peers.py.

SPDX-License-Identifier: Apache-2.0
"""

import datetime
import json
import os

import libclmp
import numpy as np
import torch

from peer_words import BAD_USE, Failure

# Of rows that are neither a step on buffers nor a peer.
NAMES = {"copy": "OpenCL, copy", "c": "libclmp, C", "module": "libclmp.torch, LossMaxPooling", "arrays": "libclmp.loss, NumPy"}
BYTES_PER_LOGIT = 12  # the weights need all losses first: so logits are read twice, and the gradient is written
BYTES_PER_PIXEL = 14  # counted where logits are few: labels read twice, losses written, and read twice


def _step_bytes(case):
    return case.logits * BYTES_PER_LOGIT + (case.pixels * BYTES_PER_PIXEL if case.interpolates else 0)


def _copy_bytes(case):
    return 8 * (case.pixels if case.interpolates else case.logits)


def _quantities(case, row, rows):
    """Median, quartiles, times libclmp's step, times the floor."""
    low, median, high = (float(x) for x in np.percentile(row.ms, [25, 50, 75]))
    copy, step = (float(np.median(r.ms)) for r in rows[:2])
    return low, median, high, median / step, median / (copy * _step_bytes(case) / _copy_bytes(case))


def over_c(rows):
    """In microseconds, what a call on arrays took beyond the step from C beside it: quartiles, and that of the fastest
    of both, which other work on the machine does not reach.  None without a step from C."""
    if not rows[0].pairs:
        return None
    c, arrays = np.array(rows[0].pairs).T * 1e6
    return *(float(x) for x in np.percentile(arrays - c, [25, 50, 75])), float(arrays.min() - c.min())


def print_head(options, device):
    cuda = torch.cuda.is_available()
    where = torch.cuda.get_device_name() if cuda else f"{torch.get_num_threads()} threads"
    allocator = "the system's allocator" if options.torch_defaults else "an allocator that keeps memory"
    print(f"{device.name.strip()}\n  {device.platform.name}, {device.version.strip()}, libclmp {libclmp.__version__}")
    print(f"  torch {torch.__version__}, {where}, {allocator}")
    print(f"  references have {np.finfo(np.longdouble).nmant + 1} bits of mantissa", flush=True)


def print_table(case, rows, options):
    size = f"{case.images} x {case.classes} x {case.height} x {case.width}"
    if case.interpolates:
        corners = ", corners aligned" if case.align_corners else ""
        size += f", from logits of {case.logits_height} x {case.logits_width}{corners}"
    print(f"\n{case.name}: {size}, p {options.p:g}, support {options.support:g}")
    head = ("", "ms", "quartile", "quartile", "step", "floor", "loss error", "gradient error", "MB", "repeat")
    print("  {:<29} {:>9} {:>9} {:>9} {:>7} {:>7} {:>11} {:>15} {:>8} {:>7}".format(*head))
    for row in rows:
        low, median, high, step, floor = _quantities(case, row, rows)
        memory = f"{row.peak_bytes * 1e-6:8.1f}" if row.peak_bytes is not None else f"{'-':>8}"
        name = "torch, " + row.name if row.peer else NAMES.get(row.name, f"libclmp, {row.solver}")
        digits = 2 if median >= 1.0 else 3
        line = f"  {name:<29} {median:9.{digits}f} {low:9.{digits}f} {high:9.{digits}f} {step:7.2f} {floor:7.2f}"
        if row.loss is None:
            print(line + f" {'-':>11} {'-':>15} {memory} {len(row.ms):7d}")
        else:
            print(line + f" {row.loss_error:11.2g} {row.gradient_error:15.2g} {memory} {len(row.ms):7d}")
    over = over_c(rows)
    if over:
        low, median, high, fastest = over
        print(f"  a call on arrays takes {median:.0f} us more than a step from C (quartiles {low:.0f}, {high:.0f};", end="")
        print(f" the fastest of both: {fastest:.0f})")
    print(end="", flush=True)


def records(case, rows, options, device):
    """What --json writes of a case, in the form of clmp-bench's records."""
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    copy_gbps = _copy_bytes(case) / (float(np.median(rows[0].ms)) * 1e6)
    over = over_c(rows)
    for row in rows:
        low, median, high, step, floor = _quantities(case, row, rows)
        size = _copy_bytes(case) if row.name == "copy" else _step_bytes(case)
        gbps = size / (median * 1e6)
        yield {
            "device": device.name,
            "platform": device.platform.name,
            "opencl": device.version,
            "driver": device.driver_version,
            "version": libclmp.__version__,
            "date": date,
            "case": case.name,
            "solver": row.solver,
            "stage": "torch " + row.name if row.peer else row.name,
            "peer": row.peer,
            "images": case.images,
            "classes": case.classes,
            "height": case.height,
            "width": case.width,
            "pixels": case.pixels,
            "logits_height": case.logits_size[0],
            "logits_width": case.logits_size[1],
            "align_corners": case.align_corners,
            "p": options.p,
            "support": options.support,
            "ms": median,
            "ms_quartile_low": low,
            "ms_quartile_high": high,
            "wall_ms": median,
            "clock": "wall",
            "bytes": size,
            "gbps": gbps,
            "copy_gbps": copy_gbps,
            "of_copy": copy_gbps / gbps,
            "of_step": step,
            "over_c_us": over[3] if over and row.name == "arrays" else None,
            "repeat": len(row.ms),
            "batch": 1,
            "sets": 1,
            "loss": row.loss,
            "loss_error": row.loss_error,
            "gradient_error": row.gradient_error,
            "peak_bytes": row.peak_bytes,
            "torch": torch.__version__,
            "torch_threads": torch.get_num_threads(),
            "torch_defaults": options.torch_defaults,
        }


def _finite(record):
    """JSON knows no NaN and no infinity."""
    return {k: None if isinstance(v, float) and not -float("inf") < v < float("inf") else v for k, v in record.items()}


def write_json(path, list_of_records):
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "x", encoding="utf-8") as stream:
            json.dump([_finite(record) for record in list_of_records], stream, indent=1, allow_nan=False)
            stream.write("\n")
        os.replace(temporary, path)
    except OSError as error:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise Failure(BAD_USE, f"cannot write {path}: {error.strerror}") from None
