/*
 * Programs that are compiled once, for tests that make the same ones thousands of times: a fault leaves what a compiler
 * does untouched, and without this nearly all of these tests' time is its.
 *
 * SPDX-License-Identifier: Apache-2.0
 *
 * A program that is built has a handle of its own, as ever, but stands for one that was built earlier of the same text
 * or binary with the same options, and gives that one's kernels, log and binary.  What is kept is never released.  A
 * handle has one owner: clRetainProgram() is not looked at, which nobody here calls.
 */
#ifndef CLMP_TESTS_FAULT_PROGRAMS_H
#define CLMP_TESTS_FAULT_PROGRAMS_H

#include <CL/cl.h>
#include <stdbool.h>

/* Keeps programs of this OpenCL context from now on: of one that lives as long as the process.  Of no other are any
 * kept. */
void fault_keep_programs(cl_context context);

/* What faults.c tells: a program of this text or binary was made, built, or released. */
void kept_note(cl_program program, cl_context context, cl_uint count, const unsigned char *const *parts,
               const size_t *sizes);
void kept_built(cl_program program, const char *options);
void kept_forget(cl_program program);

/* Whether one of the same text and options is kept; then `program` stands for it. */
bool kept_find(cl_program program, const char *options);

/* What to ask instead of `program`, itself where it stands for none. */
cl_program kept_program(cl_program program);

#endif
