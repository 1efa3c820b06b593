#!/usr/bin/env python3
"""Pictures of what clmp-bench and peers.py measured.

SPDX-License-Identifier: Apache-2.0

roofline.png  One case on one device: how long stages, steps and peers take, against the speed of a plain copy.
upsample.png  The cases whose logits are interpolated: steps of libclmp and of peers.
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


# -------------------------------------------------------------------------------------------------------------- records


def read(paths):
    """The records of all files; of those for the same thing, the last."""
    found = {}
    for path in paths:
        try:
            with open(path, encoding="utf-8") as stream:
                for r in json.load(stream):
                    if r["stage"] != "plan" and r["ms"] is not None and r["ms"] > 0.0:
                        found[r["device"], r["case"], r["solver"], r["stage"], r.get("variant")] = r
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
    cases = [r for r in records if not r["case"].startswith("2^") and not r.get("variant")]
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


# ------------------------------------------------------------------------------------------------------------- roofline


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


def at_copy_speed(record):
    return record["bytes"] / (record["copy_gbps"] * 1e6)


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
    shortest = min(min(r["ms"], at_copy_speed(r)) for _, _, r, _, _ in places)
    low, high = shortest / 1.6, max(r["ms"] for _, _, r, _, _ in places) * 16.0

    for y, _, r, colour, alpha in places:
        axes.barh(y, r["ms"] - low, left=low, height=0.74, color=colour, alpha=alpha, linewidth=0, zorder=2)
        own = at_copy_speed(r)
        axes.plot([own, own], [y - 0.37, y + 0.37], color=INK, linewidth=1.6, solid_capstyle="butt", zorder=4)
        whole = r.get("peer") or r["stage"] == "step"
        text = f"{number(r['ms'])} ms" + (f"  ({number(r['ms'] / step['ms'])} × libclmp)" if r.get("peer") else "")
        at = max(r["ms"], own)
        weight = "bold" if whole else "normal"
        box = {"facecolor": "white", "linewidth": 0, "pad": 1.0}  # where the dashed line would cross it
        axes.text(at * 1.1, y, text, va="center", fontsize=9, color=INK, weight=weight, bbox=box, zorder=3)
    axes.axvline(floor, color=INK, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)

    axes.set(xscale="log", xlim=(low, high), ylim=(place + 0.7, 0.3), xlabel="milliseconds; less is better")
    axes.set_yticks([y for y, *_ in places], [label for _, label, *_ in places])
    for label, (_, _, r, _, _) in zip(axes.get_yticklabels(), places):
        label.set_color(INK if r.get("peer") or r["stage"] in ("step", "copy") else "#666666")
    axes.xaxis.set_major_formatter(plt.FuncFormatter(lambda x, _: f"{x:g}"))
    axes.grid(axis="x", color="#E4E4E4", linewidth=0.7, zorder=0)
    axes.tick_params(axis="y", length=0)
    size = f"{step['images']} × {step['classes']} × {step['height']} × {step['width']}"
    title(axes, f"Loss and gradient of {size} logits", device_name(step))
    note = (
        f"Black ticks: what a copy would take for the bytes that must be moved.  Dashed: {number(floor)} ms, those of "
        "a whole step\n(logits read twice, gradient written)."
    )
    torch = next((r for r in records if r.get("peer")), None)
    if torch is not None:
        note += f"  torch {torch['torch']}, {torch['torch_threads']} threads."
    axes.text(0.0, -0.13 * 17.0 / place, note, transform=axes.transAxes, va="top", fontsize=8.5, color="#555555")
    return figure


# ------------------------------------------------------------------------------------------------------- interpolation

PEERS = [("cross-entropy", "#66C2A5"), ("max-pooling, cumsum", GREEN)]  # with interpolation by torch


def interpolated(records):
    """{case: [(label, record, colour)]} of the cases that have logits of their own size, and peers."""
    cases = {}
    for r in records:
        if r.get("logits_height", r["height"]) != r["height"]:
            cases.setdefault(r["case"], []).append(r)
    groups = {}
    for name, found in cases.items():
        rows = [("libclmp: step, max-pooling", pick(found, "search", "step"), BLUE)]
        for peer, colour in PEERS:
            rows.append((f"torch: interpolate, {peer}", pick(found, "none", f"torch {peer}"), colour))
        if all(r is not None for _, r, _ in rows):
            groups[name] = rows
    return groups


def interpolation(groups, plt):
    figure, axes = plt.subplots(figsize=(WIDTH, 1.4 + 0.95 * len(groups)), dpi=DPI)
    y, places = 0.0, []
    for name, rows in groups.items():
        r = rows[0][1]
        size = f"{r['classes']} × {r['logits_height']} × {r['logits_width']} to {r['height']} × {r['width']}"
        places.append((y + 1.0, f"{name}\n{size}"))
        for label, row, colour in rows:
            text = f"{number(row['ms'])} ms"
            if row.get("peer"):
                text += f"  ({number(row['ms'] / r['ms'])} × libclmp"
                text += f", {row['peak_bytes'] * 1e-6:.0f} MB)" if row.get("peak_bytes") else ")"
            axes.barh(y, row["ms"], height=0.86, color=colour, linewidth=0, zorder=2)
            axes.text(row["ms"], y, "  " + text, va="center", fontsize=8.5, color=INK)
            y += 1.0
        y += 0.8
    most = max(row["ms"] for rows in groups.values() for _, row, _ in rows)
    axes.set(xlim=(0, most * 1.35), ylim=(y - 0.8, -0.7), xlabel="milliseconds; less is better")
    axes.set_yticks([at for at, _ in places], [text for _, text in places])
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#E4E4E4", linewidth=0.7, zorder=0)
    first = next(iter(groups.values()))
    handles = [plt.Rectangle((0, 0), 1, 1, color=colour) for _, _, colour in first]
    labels = [label for label, _, _ in first]
    below = {"loc": "upper left", "bbox_to_anchor": (-0.3, -0.12), "ncol": 3}
    axes.legend(handles, labels, frameon=False, fontsize=9, **below)
    title(axes, "Loss and gradient of interpolated logits", device_name(first[0][1]))
    return figure


# ------------------------------------------------------------------------------------------------------------- variants


def variants(records, plt):
    """Steps of other losses, weightings, types and layouts; the first of each case is what they are set against."""
    groups = {}
    for r in records:
        groups.setdefault(r["case"], []).append(r)
    figure, axes = plt.subplots(figsize=(WIDTH, 1.4 + 0.28 * (len(records) + len(groups))), dpi=DPI)
    y, places, most = 0.0, [], 0.0
    for rows in groups.values():
        size = f"{rows[0]['images']} × {rows[0]['classes']} × {rows[0]['height']} × {rows[0]['width']}"
        for row in rows:
            ratio = row["ms"] / rows[0]["ms"]
            first = row is rows[0]
            axes.barh(y, ratio, height=0.8, color=BLUE if first else GREEN, linewidth=0, zorder=2)
            text = f"  {number(row['ms'])} ms, {size}" if first else f"  {ratio:.2f}"
            axes.text(ratio, y, text, va="center", fontsize=8.5, color=INK)
            places.append((y, row["variant"]))
            most = max(most, ratio)
            y += 1.0
        y += 0.8
    axes.set(xlim=(0, most * 1.2), ylim=(y - 0.8, -0.8), xlabel="times the step of plain loss max-pooling")
    axes.set_yticks([at for at, _ in places], [text for _, text in places])
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#E4E4E4", linewidth=0.7, zorder=0)
    title(axes, "Losses, weightings, types and layouts", device_name(records[0]))
    return figure


# -------------------------------------------------------------------------------------------------------------- scaling


def scaling_lines(records):
    """(label, colour, style, points) of each line; a point is (pixels, ms)."""
    lines = []
    for stage, style in (("step", "-"), ("threshold", ":")):
        for solver, name in (("sort", ", by sorting"), ("search", "")):
            found = [r for r in records if r["solver"] == solver and r["stage"] == stage]
            lines.append((stage + name, COLOURS[solver], style, sorted((r["pixels"], r["ms"]) for r in found)))
    steps = [r for r in records if r["solver"] == "search" and r["stage"] == "step"]
    floor = sorted((r["pixels"], at_copy_speed(r)) for r in steps)
    lines.append(("the bytes of a step, at copy speed", GREY, "--", floor))
    return [line for line in lines if line[3]]


def scaling(records, plt):
    figure, axes = plt.subplots(figsize=(WIDTH, 5.4), dpi=DPI)
    lines = scaling_lines(records)
    pixels = sorted({x for line in lines for x, _ in line[3]})
    for label, colour, style, points in lines:
        x, y = zip(*points)
        marker = None if style == "--" else "o"
        axes.plot(x, y, style, color=colour, linewidth=2.0, marker=marker, markersize=4.5, label=label, zorder=3)
    x, y = next((line[3] for line in lines if line[0] == "step"), lines[0][3])[-1]
    ends = pixels[0], pixels[-1]
    axes.plot(ends, [y * end / x for end in ends], color="#C8C8C8", linewidth=1.2, label="slope one", zorder=1)
    axes.set(xscale="log", yscale="log", xlabel="pixels", ylabel="milliseconds")
    axes.set_xticks(pixels, [f"$2^{{{x.bit_length() - 1}}}$" for x in pixels], fontsize=10)
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(plt.FuncFormatter(lambda y, _: f"{y:g}"))
    axes.grid(color="#E4E4E4", linewidth=0.7, zorder=0)
    axes.legend(loc="upper left", frameon=True, facecolor="white", edgecolor="none", framealpha=1.0, fontsize=9.5)
    title(axes, f"Time against pixels, {records[0]['classes']} classes", device_name(records[0]))
    return figure


# ------------------------------------------------------------------------------------------------------------- pictures


def number(ms):
    """Three digits."""
    return f"{float(f'{ms:.3g}'):g}"


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
        description="Draws what clmp-bench and peers.py wrote with --json: roofline.png, upsample.png, "
        "variants.png, scaling.png.",
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
    records = read(options.files)
    case, scaled = choose(records, options.device, options.case)
    device = records[0]["device"] if not (case or scaled) else (case or scaled)[0]["device"]
    others = [r for r in records if r.get("variant") and r["device"] == device]
    if not pick(case, "search", "step") and not scaled and not others:
        raise BadUse("the files hold neither a step of libclmp nor a scaling nor variants")
    if pick(case, "search", "step"):
        save(roofline(case, plt), options.output_dir, "roofline.png")
    groups = interpolated([r for r in records if r["device"] == device and not r.get("variant")])
    if groups:
        save(interpolation(groups, plt), options.output_dir, "upsample.png")
    if others:
        save(variants(others, plt), options.output_dir, "variants.png")
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
