# SPDX-License-Identifier: Apache-2.0
"""Keywords of Python to structs of the header."""

from __future__ import annotations

import ctypes
import difflib
import enum
import operator
from typing import Any, Mapping

import numpy as np

from libclmp import _library
from libclmp._errors import InvalidArgument, InvalidType
from libclmp._header import FIELD_ENUMS, ClassScheme, Loss, PlanParams

# losses with planes of their own for each class
BINARY = (Loss.BINARY_CROSS_ENTROPY, Loss.BINARY_FOCAL)
_ALIASES = {("loss", "BCE"): "BINARY_CROSS_ENTROPY"}  # as the command has it


def enum_value(name: str, kind: type[enum.IntEnum], value: Any) -> int:
    """A member of an enum, by itself, by its number, or by its name as the command writes it."""
    if isinstance(value, str):
        word = value.upper().replace("-", "_")
        word = _ALIASES.get((name, word), word)
        if word in kind.__members__:
            return kind[word].value
    elif not isinstance(value, (bool, float)):
        try:
            return kind(operator.index(value)).value
        except (TypeError, ValueError):
            pass
    names = ", ".join(f"'{member.lower().replace('_', '-')}'" for member in kind.__members__)
    raise InvalidArgument(f"{name} is {value!r}, expected one of {names}")


def integer(name: str, value: Any, kind: type[Any] = ctypes.c_uint64) -> int:
    """A number that a C integer can hold."""
    try:
        number = operator.index(value)
    except TypeError:
        raise InvalidType(f"{name} is {value!r}, expected an integer") from None
    bits = 8 * ctypes.sizeof(kind)
    signed = kind(-1).value < 0
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    if not low <= number <= high:
        raise InvalidArgument(f"{name} is {number}, expected an integer from {low} to {high}")
    return number


def real(name: str, value: Any) -> float:
    """A number; what it may be is the library's to say."""
    if isinstance(value, (str, bytes)):
        raise InvalidType(f"{name} is {value!r}, expected a number")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InvalidType(f"{name} is {value!r}, expected a number") from None


def flag(name: str, value: Any) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise InvalidType(f"{name} is {value!r}, expected True or False")
    return bool(value)


def unknown(name: str, known: Mapping[str, Any] | list[str], what: str) -> InvalidType:
    close = difflib.get_close_matches(name, list(known), 1)
    return InvalidType(f"{what} got an unexpected keyword argument '{name}'" + (f"; did you mean '{close[0]}'?" if close else ""))


def set_field(struct: ctypes.Structure, name: str, value: Any, enums: Mapping[str, type[enum.IntEnum]]) -> None:
    """One field of a struct, by a value that is checked first."""
    kind = {field[0]: field[1] for field in struct._fields_}[name]
    if name in enums:
        setattr(struct, name, enum_value(name, enums[name], value))
    elif kind is ctypes.c_bool:
        setattr(struct, name, flag(name, value))
    elif kind in (ctypes.c_double, ctypes.c_float):
        setattr(struct, name, real(name, value))
    else:
        setattr(struct, name, integer(name, value, kind))


def class_weights_array(value: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
    """One dimension of float32; which values they may have is the library's to say."""
    try:
        weights = np.ascontiguousarray(value, dtype=np.float32)
    except (TypeError, ValueError):
        raise InvalidType(f"class_weights is {value!r}, expected an array of numbers, one for each class") from None
    if weights.ndim != 1:
        raise InvalidArgument(f"class_weights has the shape {weights.shape}, expected one number for each class")
    return weights


def plan_params(fields: Mapping[str, Any]) -> tuple[PlanParams, Any]:
    """clmp_plan_params, and what must be kept alive while it is used."""
    params: PlanParams = _library.init("clmp_plan_params_init_sized", PlanParams)
    known = [name for name, *_ in PlanParams._fields_ if name not in ("struct_size",)]
    weights = ranks = None
    for name, value in fields.items():
        if name not in known:
            raise unknown(name, known, "a plan")
        if name == "class_weights":
            weights = None if value is None else class_weights_array(value)
        elif name == "tuning":
            params.tuning = value
        elif name == "ranks":
            ranks = value
        else:
            set_field(params, name, value, FIELD_ENUMS)
    if weights is not None:
        if len(weights) != params.classes:
            raise InvalidArgument(f"class_weights has {len(weights)} numbers, expected one for each of {params.classes} classes")
        params.class_weights = weights.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
    if ranks is not None:
        params.ranks = ctypes.pointer(ranks.struct())
    return params, (weights, params.ranks)


SCHEMES = {"scheme": ClassScheme}
