/*
 * The cache of compiled programs: the right bits, whatever is in it, and nothing but what the user alone could write.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "core/cache.h"
#include "support.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char root[] = "/tmp/clmp-cache-XXXXXX";
static char folder[256];

static void in_folder(const char *name, char path[512]) {
    snprintf(path, 512, "%s/%s", folder, name);
}

/* Files in the folder whose names end so; the first one's path. */
static int count_files(const char *end, char path[512]) {
    int count = 0;
    DIR *list = opendir(folder);
    for (const struct dirent *entry; list != NULL && (entry = readdir(list)) != NULL;) {
        const size_t length = strlen(entry->d_name);
        if (length < strlen(end) || entry->d_name[0] == '.' || strcmp(entry->d_name + length - strlen(end), end) != 0)
            continue;
        if (count++ == 0 && path != NULL)
            in_folder(entry->d_name, path);
    }
    if (list != NULL)
        closedir(list);
    return count;
}

static clmp_context *context_with(const char *cache_dir) {
    clmp_context_params params;
    clmp_context_params_init(&params);
    params.cache_dir = cache_dir;
    clmp_context *context = NULL;
    ck_status(clmp_context_create(test_device()->cl, test_device()->id, &params, &context), CLMP_OK);
    return context;
}

/* The weights of some losses, by a context of its own; compared with the reference. */
static void assert_right_bits(const char *cache_dir) {
    struct problem *problem = problem_of_losses(1, 1, 300);
    struct rng rng = rng_for("cache", 0);
    fill_losses(problem, LOSSES_UNCLEAN, &rng);
    struct outputs *want = run_reference(problem);
    clmp_context *context = context_with(cache_dir);
    clmp_plan *plan = NULL;
    ck_status(clmp_plan_create(context, &problem->in.params, &plan), CLMP_OK);
    struct device_buffers buffers;
    struct run run = {.entry = ENTRY_FULL};
    buffers_make(&buffers, problem, plan, &run);
    ck_status(enqueue_problem(plan, test_device()->queue, problem, &run, &buffers.use, 0, NULL, NULL), CLMP_OK);
    struct outputs *got = buffers_read(&buffers, problem, &run);
    assert_same_bits(problem, got, want);
    buffers_release(&buffers);
    clmp_plan_destroy(plan);
    clmp_context_destroy(context);
    outputs_free(want);
    outputs_free(got);
    problem_free(problem);
}

static void clean(void) {
    char path[512];
    (void)chmod(folder, S_IRWXU);
    while (count_files("", path) > 0)
        ck_assert(remove(path) == 0);
    (void)rmdir(folder);
    (void)unlink(folder);
}

static void setup(void) {
    snprintf(folder, sizeof folder, "%s/libclmp", root);
    clean();
}

/* Whether the device gives its binaries: else there is nothing to keep. */
static bool filled(void) {
    assert_right_bits(folder);
    return count_files(".bin", NULL) > 0;
}

static ino_t inode(const char *path) {
    struct stat status;
    return lstat(path, &status) == 0 ? status.st_ino : 0;
}

START_TEST(cold_and_warm_give_the_same_bits) {
    ck_assert(filled());
    char path[512];
    const int programs = count_files(".bin", path);
    const ino_t before = inode(path);
    struct stat status;
    ck_assert(stat(folder, &status) == 0 && (status.st_mode & 0777) == 0700);
    assert_right_bits(folder);
    ck_assert_int_eq(count_files(".bin", NULL), programs);
    ck_assert_int_eq(count_files("", NULL), programs); /* and nothing else is left */
    ck_assert(inode(path) == before);                  /* a program that was compiled would have replaced it */
}
END_TEST

static void flip(const char *path, long place, unsigned char bits) {
    const int file = open(path, O_RDWR);
    unsigned char byte = 0;
    ck_assert(file >= 0 && pread(file, &byte, 1, place) == 1);
    byte ^= bits;
    ck_assert(pwrite(file, &byte, 1, place) == 1 && close(file) == 0);
}

/* Bits flipped and files cut, or grown, in each part of a file and at its bounds. */
START_TEST(damaged_files_are_compiled_again) {
    ck_assert(filled());
    char path[512];
    ck_assert(count_files(".bin", path) > 0);
    struct stat status;
    uint64_t key = 0; /* its length is the header's second word, and it follows the header */
    const int file = open(path, O_RDONLY);
    ck_assert(stat(path, &status) == 0 && file >= 0 && pread(file, &key, sizeof key, 8) == sizeof key &&
              close(file) == 0);
    const long end = (long)status.st_size, program = 32 + (long)key;
    ck_assert(key > 0 && program < end);
    const long places[] = {0,  1,   7,           8,       15,          16,      23,         24,     31,
                           32, 100, program - 1, program, program + 1, end / 2, end - 1000, end - 1};
    for (size_t i = 0; i < 2 * sizeof places / sizeof *places + 2; i++) {
        const long place = i / 2 < sizeof places / sizeof *places ? places[i / 2] : end;
        const ino_t before = inode(path);
        if (i % 2) /* at `end`: one byte more */
            ck_assert(truncate(path, place < end ? place : end + 1) == 0);
        else
            flip(path, place < end ? place : end - 2, (unsigned char)(1 << i / 2 % 8));
        assert_right_bits(folder);
        struct stat now;
        ck_assert_msg(stat(path, &now) == 0 && now.st_size == end && inode(path) != before, "damage %d was not mended",
                      (int)i);
    }
}
END_TEST

/* The files of two programs in each other's place: each is a good file, but of another key. */
START_TEST(files_of_other_programs_are_not_taken) {
    ck_assert(filled());
    char first[512], second[512], between[600];
    ck_assert(count_files(".bin", first) > 1);
    snprintf(between, sizeof between, "%s.aside", first);
    ck_assert(rename(first, between) == 0 && count_files(".bin", second) > 0);
    ck_assert(rename(second, first) == 0 && rename(between, second) == 0);
    assert_right_bits(folder);
}
END_TEST

START_TEST(links_and_pipes_are_not_followed) {
    ck_assert(filled());
    char path[512], aside[512];
    ck_assert(count_files(".bin", path) > 0);
    snprintf(aside, sizeof aside, "%s/aside", root);
    ck_assert(rename(path, aside) == 0 && symlink(aside, path) == 0);
    const ino_t before = inode(aside);
    assert_right_bits(folder);
    struct stat status;
    ck_assert(lstat(path, &status) == 0 && S_ISREG(status.st_mode) && inode(aside) == before);
    ck_assert(unlink(path) == 0 && mkfifo(path, 0600) == 0);
    assert_right_bits(folder); /* and does not wait for somebody to write */
    ck_assert(unlink(aside) == 0);
}
END_TEST

START_TEST(folder_under_the_name_of_a_file_stays) {
    ck_assert(filled());
    char path[512];
    const int programs = count_files(".bin", path);
    ck_assert(unlink(path) == 0 && mkdir(path, 0700) == 0);
    assert_right_bits(folder);
    struct stat status;
    ck_assert(lstat(path, &status) == 0 && S_ISDIR(status.st_mode));
    ck_assert_int_eq(count_files("", NULL), programs); /* and no file that could not get its name */
}
END_TEST

/* For root, who may write to it all the same, there is a disk that is read-only in kills.sh. */
START_TEST(folder_and_files_may_be_read_only) {
    ck_assert(filled());
    char path[512];
    const int programs = count_files(".bin", path);
    const ino_t before = inode(path);
    ck_assert(chmod(path, 0400) == 0 && chmod(folder, 0500) == 0);
    assert_right_bits(folder);
    ck_assert(inode(path) == before && count_files("", NULL) == programs);
    if (geteuid() == 0)
        return;
    ck_assert(chmod(folder, 0700) == 0 && unlink(path) == 0 && chmod(folder, 0500) == 0);
    assert_right_bits(folder);
    ck_assert_int_eq(count_files("", NULL), programs - 1);
}
END_TEST

/* A file that grows beyond the limit is a signal, which ends a process that knows nothing of it (as PoCL's own files
 * do: the device stays out of this). */
START_TEST(limit_on_the_size_of_files_ends_nobody) {
    static const unsigned char bytes[4000] = {1};
    struct rlimit before, limit;
    size_t size = 0;
    ck_assert(getrlimit(RLIMIT_FSIZE, &before) == 0);
    limit = before;
    limit.rlim_cur = 2000;
    (void)signal(SIGXFSZ, SIG_DFL); /* LLVM, within PoCL, has a handler */
    ck_assert(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    clmp_cache_store(folder, "large", bytes, sizeof bytes);
    clmp_cache_store(folder, "small", bytes, 1000);
    ck_assert(setrlimit(RLIMIT_FSIZE, &before) == 0);
    ck_assert(clmp_cache_load(folder, "large", &size) == NULL);
    unsigned char *small = clmp_cache_load(folder, "small", &size);
    ck_assert(small != NULL && size == 1000 && memcmp(small, bytes, size) == 0);
    free(small);
    ck_assert_int_eq(count_files("", NULL), 1);
}
END_TEST

/* What others can write to is neither read nor written. */
START_TEST(folders_that_others_can_write_to_are_not_used) {
    static const mode_t modes[] = {0777, 0770, 0702};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        clean();
        ck_assert(mkdir(folder, 0700) == 0 && chmod(folder, modes[i]) == 0);
        assert_right_bits(folder);
        ck_assert_int_eq(count_files("", NULL), 0);
    }
    if (geteuid() != 0)
        return;
    ck_assert(chmod(folder, 0700) == 0 && chown(folder, 65534, 65534) == 0); /* somebody else's */
    assert_right_bits(folder);
    ck_assert_int_eq(count_files("", NULL), 0);
}
END_TEST

START_TEST(files_that_others_can_write_to_are_replaced) {
    ck_assert(filled());
    char path[512];
    ck_assert(count_files(".bin", path) > 0 && chmod(path, 0666) == 0);
    ino_t before = inode(path);
    assert_right_bits(folder);
    ck_assert(inode(path) != before);
    if (geteuid() != 0)
        return;
    before = inode(path);
    ck_assert(chown(path, 65534, 65534) == 0); /* somebody else's */
    assert_right_bits(folder);
    ck_assert(inode(path) != before);
}
END_TEST

START_TEST(folder_that_is_a_link_is_not_used) {
    char target[512];
    snprintf(target, sizeof target, "%s/target", root);
    ck_assert(mkdir(target, 0700) == 0 && symlink(target, folder) == 0);
    assert_right_bits(folder);
    ck_assert(unlink(folder) == 0 && rmdir(target) == 0); /* empty */
}
END_TEST

START_TEST(no_folder_is_no_error) {
    char path[512];
    assert_right_bits("");
    assert_right_bits("/proc/no/such/folder");
    snprintf(path, sizeof path, "%s/file", root);
    FILE *file = fopen(path, "w");
    ck_assert(file != NULL && fclose(file) == 0);
    assert_right_bits(path);
    ck_assert(unlink(path) == 0);
    ck_assert_int_eq(count_files("", NULL), 0);
}
END_TEST

static bool on_pocl(void) {
    cl_platform_id platform = NULL;
    char name[64] = "";
    ck_cl(clGetDeviceInfo(test_device()->id, CL_DEVICE_PLATFORM, sizeof platform, &platform, NULL));
    (void)clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof name, name, NULL);
    return strcmp(name, "Portable Computing Language") == 0;
}

/* By default so many programs are kept in `folder`; PoCL's are not, which keeps its own. */
static void assert_default(int programs) {
    char *chosen = clmp_cache_folder(NULL, true);
    ck_assert_str_eq(chosen, folder);
    free(chosen);
    ck_assert_ptr_null(clmp_cache_folder(NULL, false));
    assert_right_bits(NULL);
    ck_assert_int_eq(count_files(".bin", NULL), on_pocl() ? 0 : programs);
}

START_TEST(environment_names_the_folder) {
    char home[300], before[512];
    snprintf(before, sizeof before, "%s", getenv("CLMP_CACHE_DIR") ? getenv("CLMP_CACHE_DIR") : "");
    ck_assert(setenv("CLMP_CACHE_DIR", folder, 1) == 0);
    assert_right_bits(NULL);
    const int programs = count_files(".bin", NULL);
    clean();
    ck_assert(unsetenv("CLMP_CACHE_DIR") == 0 && setenv("XDG_CACHE_HOME", root, 1) == 0);
    assert_default(programs);
    clean();
    snprintf(home, sizeof home, "%s/home", root);
    snprintf(folder, sizeof folder, "%s/home/.cache/libclmp", root);
    ck_assert(setenv("XDG_CACHE_HOME", "not/absolute", 1) == 0 && setenv("HOME", home, 1) == 0);
    assert_default(programs);
    assert_right_bits(folder); /* for there to be a folder in any case */
    clean();
    ck_assert(unsetenv("HOME") == 0 && unsetenv("XDG_CACHE_HOME") == 0);
    assert_right_bits(NULL);
    ck_assert_ptr_null(clmp_cache_folder(NULL, true));
    ck_assert(setenv("CLMP_CACHE_DIR", before, 1) == 0);
    snprintf(folder, sizeof folder, "%s/home/.cache", root);
    ck_assert(programs > 0 && rmdir(folder) == 0 && rmdir(home) == 0);
}
END_TEST

START_TEST(leftovers_of_killed_processes_are_removed) {
    char old[512], young[512];
    ck_assert(mkdir(folder, 0700) == 0);
    in_folder("123-abc.tmp", old);
    in_folder("124-abc.tmp", young);
    const char *const paths[] = {old, young};
    for (int i = 0; i < 2; i++) {
        FILE *file = fopen(paths[i], "w");
        ck_assert(file != NULL && fclose(file) == 0);
    }
    const struct timespec long_ago[2] = {{1000000, 0}, {1000000, 0}};
    ck_assert(utimensat(AT_FDCWD, old, long_ago, 0) == 0);
    assert_right_bits(folder);
    ck_assert(inode(old) == 0 && inode(young) != 0);
}
END_TEST

/* Runs the whole program again, for the one test that uses a cache and looks at what is right. */
static pid_t child_with(const char *cache) {
    ck_assert(setenv("CLMP_TEST_CACHE_CHILD", cache, 1) == 0);
    const pid_t child = fork();
    ck_assert(child >= 0);
    if (child == 0) {
        execl("/proc/self/exe", "check_cache", (char *)NULL);
        _exit(127);
    }
    ck_assert(unsetenv("CLMP_TEST_CACHE_CHILD") == 0);
    return child;
}

/* All begin with an empty folder at once; every third is killed at some moment. */
START_TEST(many_processes_share_a_folder) {
    enum { PROCESSES = 24 };
    pid_t children[PROCESSES];
    struct rng rng = rng_for("killed processes", 0);
    int left = 0;
    for (int i = 0; i < PROCESSES; i++)
        children[i] = child_with(folder);
    for (int i = 0; i < PROCESSES; i += 3) {
        const struct timespec moment = {.tv_nsec = (long)rng_below(&rng, 250000000)};
        nanosleep(&moment, NULL);
        ck_assert(kill(children[i], SIGKILL) == 0);
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status = 0;
        ck_assert(waitpid(children[i], &status, 0) == children[i]);
        if (i % 3 == 0 && WIFSIGNALED(status))
            left++;
        else
            ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "process %d: %x", i, (unsigned)status);
    }
    const int programs = count_files(".bin", NULL), temporary = count_files(".tmp", NULL);
    ck_assert_msg(programs > 0 && temporary <= left && count_files("", NULL) == programs + temporary,
                  "%d programs, %d temporary files, %d killed", programs, temporary, left);
    assert_right_bits(folder);
}
END_TEST

static void assert_right_bits_at_home(void) {
    char *home = clmp_cache_folder(NULL, true); /* where PoCL's programs are not kept by default */
    ck_assert_ptr_nonnull(home);
    assert_right_bits(NULL);
    assert_right_bits(home);
    free(home);
}

/* Somebody who may not even enter the home that HOME names, and somebody without one. */
START_TEST(home_may_be_out_of_reach) {
    char home[300], cache[512], pocl[300], command[700];
    const char *variables[] = {"CLMP_CACHE_DIR", "XDG_CACHE_HOME", "HOME", "POCL_CACHE_DIR"};
    char *before[4];
    for (int i = 0; i < 4; i++)
        before[i] = getenv(variables[i]) != NULL ? strdup(getenv(variables[i])) : NULL;
    snprintf(home, sizeof home, "%s/home", root);
    snprintf(cache, sizeof cache, "%s/.cache", home);
    snprintf(pocl, sizeof pocl, "%s-pocl", root);
    ck_assert(mkdir(home, 0500) == 0 && mkdir(pocl, 0700) == 0);
    ck_assert(unsetenv("CLMP_CACHE_DIR") == 0 && unsetenv("XDG_CACHE_HOME") == 0 && setenv("HOME", home, 1) == 0);
    if (geteuid() != 0) {
        assert_right_bits_at_home();
    } else { /* another user, who has a folder for what PoCL keeps */
        ck_assert(chown(pocl, 65534, 65534) == 0 && setenv("POCL_CACHE_DIR", pocl, 1) == 0);
        const pid_t child = fork();
        if (child == 0) {
            if (setenv("CLMP_TEST_CACHE_CHILD", "HOME", 1) != 0 || setgid(65534) != 0 || setuid(65534) != 0)
                _exit(126);
            execl("/proc/self/exe", "check_cache", (char *)NULL);
            _exit(127);
        }
        int status = 0;
        ck_assert(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
        if (WEXITSTATUS(status) == 127)
            printf("home_may_be_out_of_reach: this program is out of reach for another user\n");
        else
            ck_assert_int_eq(WEXITSTATUS(status), 0);
    }
    ck_assert(inode(cache) == 0);
    for (int i = 0; i < 4; i++) {
        ck_assert((before[i] != NULL ? setenv(variables[i], before[i], 1) : unsetenv(variables[i])) == 0);
        free(before[i]);
    }
    snprintf(command, sizeof command, "rm -rf %s", pocl);
    ck_assert(system(command) == 0 && rmdir(home) == 0);
}
END_TEST

START_TEST(child_gives_the_right_bits) {
    const char *cache = getenv("CLMP_TEST_CACHE_CHILD");
    if (strcmp(cache, "HOME") != 0) {
        assert_right_bits(cache);
        return;
    }
    assert_right_bits_at_home();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cache");
    TCase *tcase;
    if (getenv("CLMP_TEST_CACHE_CHILD") != NULL) {
        (void)unsetenv("CK_INCLUDE_TAGS");
        (void)unsetenv("CK_RUN_CASE");
        (void)unsetenv("CLMP_TEST_FRACTION");
        tcase = add_case(suite, "child", "full");
        tcase_add_test(tcase, child_gives_the_right_bits);
        return test_main(suite);
    }
    if (mkdtemp(root) == NULL)
        return EXIT_FAILURE;
    tcase = add_case(suite, "cache", "full quick");
    tcase_add_checked_fixture(tcase, setup, clean);
    tcase_add_test(tcase, cold_and_warm_give_the_same_bits);
    tcase_add_test(tcase, no_folder_is_no_error);
    tcase_add_test(tcase, links_and_pipes_are_not_followed);
    tcase_add_test(tcase, folders_that_others_can_write_to_are_not_used);
    tcase = add_case(suite, "attacks", "full");
    tcase_add_checked_fixture(tcase, setup, clean);
    tcase_add_test(tcase, damaged_files_are_compiled_again);
    tcase_add_test(tcase, files_of_other_programs_are_not_taken);
    tcase_add_test(tcase, files_that_others_can_write_to_are_replaced);
    tcase_add_test(tcase, folder_under_the_name_of_a_file_stays);
    tcase_add_test(tcase, folder_and_files_may_be_read_only);
    tcase_add_test(tcase, limit_on_the_size_of_files_ends_nobody);
    tcase_add_test(tcase, home_may_be_out_of_reach);
    tcase_add_test(tcase, folder_that_is_a_link_is_not_used);
    tcase_add_test(tcase, environment_names_the_folder);
    tcase_add_test(tcase, leftovers_of_killed_processes_are_removed);
    tcase_add_test(tcase, many_processes_share_a_folder);
    const int status = test_main(suite);
    (void)rmdir(root);
    return status;
}
