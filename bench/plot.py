#!/usr/bin/env python3
"""Pictures of what clmp-bench and peers.py measured.

SPDX-License-Identifier: Apache-2.0

roofline.png  One case on one device: how long stages, steps and peers take, against the speed of a plain copy.
scaling.png   Milliseconds against pixels, from clmp-bench --scaling.

Colours are of Okabe and Ito's palette, which colour-blind people tell apart too.
"""

import argparse
import json
import os
import sys

BLUE, ORANGE, GREEN, GREY, INK = "#0072B2", "#E69F00", "#009E73", "#9A9A9A", "#222222"
COLOURS = {"search": BLUE, "sort": ORANGE}
STAGES = ["loss", "threshold", "weights", "gradient"]
WIDTH, DPI = 9.0, 200  # inches; 1800 pixels, of which web pages show some 900
BYTES_PER_LOGIT = 12  # of a step: logits read twice, gradient written


class BadUse(Exception):
    pass


# --------------------------------------------------------------------------------------------------------------- records


def read(paths):
    """The records of all files; of those for the same thing, the last."""
    found = {}
    for path in paths:
        try:
            with open(path, encoding="utf-8") as stream:
                for r in json.load(stream):
                    if r["stage"] != "plan" and r["ms"] is not None and r["ms"] > 0.0:
                        found[r["device"], r["case"], r["solver"], r["stage"]] = r
        except OSError as error:
            raise BadUse(f"cannot read {path}: {error.strerror}") from None
        except (ValueError, KeyError, TypeError):
            raise BadUse(f"{path} holds no records of clmp-bench or peers.py") from None
    return list(found.values())


def choose(records, device, case):
    """Those of one device, and of these the case's and the scaling's."""
    names = list(dict.fromkeys(r["device"] for r in records))
    names = [name for name in names if (device or "").lower() in name.lower()]
    if not names:
        raise BadUse(f"no records of a device '{device}'" if device else "no records")
    records = [r for r in records if r["device"] == names[0]]
    scaling = [r for r in records if r["case"].startswith("2^")]
    cases = [r for r in records if not r["case"].startswith("2^")]
    if case is None and cases:
        with_peers = [r for r in cases if r.get("peer")]
        case = (with_peers or cases)[0]["case"]
    chosen = [r for r in cases if r["case"] == case]
    if case is not None and not chosen:
        raise BadUse(f"no records of a case '{case}' on {names[0]}")
    return chosen, scaling


def pick(records, solver, stage):
    return next((r for r in records if r["solver"] == solver and r["stage"] == stage), None)


def device_name(record):
    """PoCL's names begin with words of its own."""
    name = record["device"].strip()
    for word in ("(R)", "(TM)", "(tm)"):
        name = name.replace(word, "")
    if name.startswith(("pthread-", "cpu-", "basic-")) and record["platform"].startswith("Portable"):
        name = name.split("-", 3)[-1] + " (PoCL)"
    return name


# -------------------------------------------------------------------------------------------------------------- roofline


def roofline_rows(records):
    """(label, record, colour, alpha) from top to bottom; None is a gap."""
    rows = [("copy of the logits", pick(records, "none", "copy"), GREY, 1.0)]
    for solver, name in (("search", "libclmp"), ("sort", "libclmp, by sorting")):
        rows.append(None)
        rows += [(stage, pick(records, solver, stage), COLOURS[solver], 0.45) for stage in STAGES]
        rows.append((f"{name}: step", pick(records, solver, "step"), COLOURS[solver], 1.0))
    rows.append(None)
    peers = sorted((r for r in records if r.get("peer")), key=lambda r: r["ms"])
    rows += [(r["stage"].replace("torch ", "torch: ", 1), r, GREEN, 1.0) for r in peers]
    rows = [row for row in rows if row is None or row[1] is not None]
    while rows and rows[-1] is None:
        rows.pop()
    return [row for i, row in enumerate(rows) if row is not None or (i > 0 and rows[i - 1] is not None)]


def roofline(records, plt):
    rows = roofline_rows(records)
    step = pick(records, "search", "step")
    floor = step["pixels"] * step["classes"] * BYTES_PER_LOGIT / (step["copy_gbps"] * 1e6)
    place, places = 0.0, []
    for row in rows:
        place += 0.45 if row is None else 1.0
        if row is not None:
            places.append((place, *row))
    figure, axes = plt.subplots(figsize=(WIDTH, 1.5 + 0.27 * place), dpi=DPI)
    least = min(r["ms"] for _, _, r, _, _ in places)
    low, high = min(least, floor) / 2.5, max(r["ms"] for _, _, r, _, _ in places) * 6.0

    for y, _, r, colour, alpha in places:
        axes.barh(y, r["ms"] - low, left=low, height=0.74, color=colour, alpha=alpha, linewidth=0, zorder=2)
        own = r["bytes"] / (r["copy_gbps"] * 1e6)
        axes.plot([own, own], [y - 0.37, y + 0.37], color=INK, linewidth=1.6, solid_capstyle="butt", zorder=4)
        whole = r.get("peer") or r["stage"] == "step"
        text = f"{number(r['ms'])} ms" + (f",  {r['ms'] / step['ms']:.3g} steps" if r.get("peer") else "")
        at = max(r["ms"], own)
        axes.text(at * 1.07, y, text, va="center", fontsize=9, color=INK, weight="bold" if whole else "normal")
    axes.axvline(floor, color=INK, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)

    axes.set(
        xscale="log", xlim=(low, high), ylim=(place + 0.7, 0.3), xlabel="milliseconds (logarithmic); less is better"
    )
    axes.set_yticks([y for y, *_ in places], [label for _, label, *_ in places])
    for label, (_, _, r, _, _) in zip(axes.get_yticklabels(), places):
        label.set_color(INK if r.get("peer") or r["stage"] in ("step", "copy") else "#666666")
    axes.xaxis.set_major_formatter(plt.FuncFormatter(lambda x, _: f"{x:g}"))
    axes.grid(axis="x", color="#E4E4E4", linewidth=0.7, zorder=0)
    axes.tick_params(axis="y", length=0)
    size = f"{step['images']} × {step['classes']} × {step['height']} × {step['width']}"
    title(axes, f"Loss and gradient of {size} logits", device_name(step))
    note = (
        f"Black ticks: what a copy would take for the bytes that must be moved.  Dashed: {number(floor)} ms, those of a "
        "whole step\n(logits read twice, gradient written)."
    )
    torch = next((r for r in records if r.get("peer")), None)
    if torch is not None:
        note += f"  torch {torch['torch']}, {torch['torch_threads']} threads."
    axes.text(0.0, -0.13 * 17.0 / place, note, transform=axes.transAxes, va="top", fontsize=8.5, color="#555555")
    return figure


# --------------------------------------------------------------------------------------------------------------- scaling


def scaling_lines(records):
    """(label, colour, style, points) of each line; a point is (pixels, ms)."""
    lines = []
    for stage, style in (("step", "-"), ("threshold", ":")):
        for solver, name in (("sort", ", by sorting"), ("search", "")):
            found = [r for r in records if r["solver"] == solver and r["stage"] == stage]
            label = ("libclmp: " if stage == "step" else "") + stage + name
            lines.append((label, COLOURS[solver], style, sorted((r["pixels"], r["ms"]) for r in found)))
    steps = [r for r in records if r["solver"] == "search" and r["stage"] == "step"]
    floor = [(r["pixels"], r["pixels"] * r["classes"] * BYTES_PER_LOGIT / (r["copy_gbps"] * 1e6)) for r in steps]
    lines.append(("least, at copy speed", GREY, "--", sorted(floor)))
    return [line for line in lines if line[3]]


def scaling(records, plt):
    figure, axes = plt.subplots(figsize=(WIDTH, 5.2), dpi=DPI)
    lines = scaling_lines(records)
    pixels = sorted({x for line in lines for x, _ in line[3]})
    for _, colour, style, points in lines:
        x, y = zip(*points)
        marker = None if style == "--" else "o"
        axes.plot(x, y, style, color=colour, linewidth=2.0, marker=marker, markersize=4.5, zorder=3)
    axes.set(xscale="log", yscale="log", xlim=(pixels[0] / 1.25, pixels[-1] * 4.2))
    label_ends(axes, lines)
    slope_one(axes, lines[0][3] if len(lines) < 2 else lines[1][3])
    axes.set_xticks(pixels, [f"$2^{{{x.bit_length() - 1}}}$" for x in pixels], fontsize=10)
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(plt.FuncFormatter(lambda y, _: f"{y:g}"))
    axes.grid(color="#E4E4E4", linewidth=0.7, zorder=0)
    axes.set(xlabel="pixels", ylabel="milliseconds")
    title(axes, f"Time against pixels, {records[0]['classes']} classes", device_name(records[0]))
    return figure


def label_ends(axes, lines):
    """Names beside the lines' ends, moved apart where they would touch."""
    lowest, apart = 0.0, 1.32
    for label, colour, _, points in sorted(lines, key=lambda line: line[3][-1][1]):
        x, y = points[-1]
        lowest = max(y, lowest * apart)
        axes.annotate(label, (x, lowest), (7, 0), textcoords="offset points", va="center", fontsize=9.5, color=colour)


def slope_one(axes, points):
    """A line of slope one under the points: proportional to pixels."""
    (x0, _), (x1, y1) = points[0], points[-1]
    y1 = y1 / 2.6
    axes.plot([x0, x1], [y1 * x0 / x1, y1], color="#BBBBBB", linewidth=1.0, zorder=1)
    axes.annotate(
        "slope one", (x0, y1 * x0 / x1), (4, -10), textcoords="offset points", va="top", fontsize=8.5, color="#888888"
    )


# -------------------------------------------------------------------------------------------------------------- pictures


def number(ms):
    """Three digits."""
    return f"{ms:.0f}" if ms >= 100.0 else f"{ms:.3g}"


def title(axes, text, below):
    axes.set_title(text, loc="left", fontsize=13, weight="bold", color=INK, pad=24)
    axes.text(0.0, 1.0, below, transform=axes.transAxes, va="bottom", fontsize=10, color="#555555").set_y(1.015)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def save(figure, folder, name):
    path = os.path.join(folder, name)
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        figure.savefig(temporary, format="png", bbox_inches="tight", pad_inches=0.15, metadata={"Software": None})
        os.replace(temporary, path)
    except OSError as error:
        raise BadUse(f"cannot write {path}: {error.strerror}") from None
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)
    print(path)


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise BadUse(message + " (see --help)")


def run(arguments):
    parser = Parser(
        prog="plot.py",
        description="Draws roofline.png and scaling.png from what clmp-bench and peers.py wrote with --json.",
        epilog="Where files hold the same thing twice, the last one counts.  Exit status: 0, 2 for bad use.",
        allow_abbrev=False,
    )
    parser.add_argument("files", nargs="+", metavar="FILE.json")
    parser.add_argument("--output-dir", metavar="FOLDER", default=".", help="where the pictures go (default: here)")
    parser.add_argument("--device", metavar="NAME", help="whose name contains NAME (default: that of the first record)")
    parser.add_argument("--case", metavar="NAME", help="of roofline.png (default: the first that has peers)")
    options = parser.parse_args(arguments)
    try:
        import matplotlib
    except ImportError:
        raise BadUse(f"{sys.executable} lacks matplotlib; Debian has it in python3-matplotlib") from None
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"font.family": "DejaVu Sans", "font.size": 10, "axes.edgecolor": "#888888"})
    case, scaled = choose(read(options.files), options.device, options.case)
    if not pick(case, "search", "step") and not scaled:
        raise BadUse("the files hold neither a step of libclmp nor a scaling")
    if pick(case, "search", "step"):
        save(roofline(case, plt), options.output_dir, "roofline.png")
    if scaled:
        save(scaling(scaled, plt), options.output_dir, "scaling.png")


def main(arguments):
    try:
        run(arguments)
    except BadUse as error:
        print(f"plot.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
