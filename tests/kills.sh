#!/bin/sh
# Kills the command at random moments, and fills the disk under it: what it writes is whole or absent.
#
# usage: sh tests/kills.sh [KILLS [SEED]]    KILLS: how many (default 450); SEED: of the moments (default 1)
#
# 1. Each subcommand that writes files is stopped at a random moment, looked at, and ended by SIGKILL, SIGTERM or SIGINT;
#    a third of the moments is anywhere in its life, the others are from its first byte on.
# 2. The outputs lie on a disk of some pages: a tmpfs where root may mount one, else RLIMIT_FSIZE; and /dev/full.
# 3. The cache of compiled programs lies on such a disk, or on one that is read-only; and 24 processes begin with one that is
#    empty, some of which are killed.
#
# With less than 100 kills, only these and the limits of 2 are tried: that is the meson test.
#
# CLMP_CLI: the command; else it is built, in build-kills.  The exit status is 1 where something was found.
#
# SPDX-License-Identifier: Apache-2.0
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
if [ -z "${CLMP_CLI-}" ]; then
    build=${CLMP_BUILD-$root/build-kills} # an own folder, or one that is there
    [ -f "$build/build.ninja" ] ||
        meson setup -Dcli=enabled -Dtests=disabled -Ddemo=disabled -Dbench=disabled "$build" "$root"
    ninja -C "$build" host/cli/clmp
    CLMP_CLI=$build/host/cli/clmp
fi
export CLMP_CLI
export RUSTICL_ENABLE='' # Mesa takes long to start

# Python is there: meson is written in it.
exec python3 - "$@" <<'PYTHON'
import ctypes, os, platform, random, re, resource, shutil, signal, struct, subprocess, sys, tempfile, time

KILLS = int(sys.argv[1]) if len(sys.argv) > 1 else 450
SEED = int(sys.argv[2]) if len(sys.argv) > 2 else 1
CLI = os.environ['CLMP_CLI']
OLD = b'what was there'
PAGE = 4096
rng = random.Random(SEED)
root = tempfile.mkdtemp(prefix='clmp-kills-')
out = os.path.join(root, 'out')
problems = []


def complain(what):
    problems.append(what)
    print('FOUND:', what)


def npy(name, kind, shape, data):
    head = "{'descr': '%s', 'fortran_order': False, 'shape': %s, }" % (kind, shape)
    head += ' ' * (-(len(head) + 11) % 64) + '\n'
    with open(os.path.join(root, name), 'wb') as file:
        file.write(b'\x93NUMPY\x01\x00' + struct.pack('<H', len(head)) + head.encode() + data)


# --------------------------------------------------------------------------------------------------- the subcommands

def write_inputs():
    numbers = random.Random(0)
    few = struct.pack('<4096f', *[numbers.expovariate(1.0) for _ in range(4096)])
    npy('losses.npy', '<f4', '(512, 4096)', few * 512)
    npy('logits.npy', '<f4', '(4, 512, 512)', few * 256)
    npy('labels.npy', '|u1', '(512, 512)', bytes(numbers.randrange(4) for _ in range(1024)) * 256)


def commands(folder):
    """Arguments and outputs of each that writes, in this folder."""
    def at(name):
        return os.path.join(folder, name)
    return [
        ('weights', ['weights', 'losses.npy', '-o', at('w.npy'), '--json'], [at('w.npy')]),
        ('loss', ['loss', 'logits.npy', 'labels.npy', '--losses', at('l.npy'), '--weights', at('v.npy'), '--gradient',
                  at('g.npy'), '--heatmap', at('h.png'), '--json'], [at('l.npy'), at('v.npy'), at('g.npy'), at('h.png')]),
        ('class-weights', ['class-weights', 'labels.npy', '--classes', '65536', '-o', at('c.npy'), '--json'],
         [at('c.npy')]),
    ]


def begin(arguments, limit=None, **environment):
    def limited():
        signal.signal(signal.SIGINT, signal.SIG_DFL) # a shell in the background leaves it ignored
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    return subprocess.Popen([CLI] + arguments, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                            preexec_fn=limited, env=dict(os.environ, **environment))


def content(path):
    try:
        with open(path, 'rb') as file:
            return file.read()
    except FileNotFoundError:
        return None


def temporaries(folder):
    return [name for name in os.listdir(folder) if name.startswith('.clmp')]


def size_of(path):
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def has_bytes(folder):
    return any(size_of(os.path.join(folder, name)) > 0 for name in temporaries(folder))


def empty(folder):
    for name in os.listdir(folder):
        os.unlink(os.path.join(folder, name))


def prepare(outputs, there):
    for path in outputs:
        if there:
            with open(path, 'wb') as file:
                file.write(OLD)


def check_outputs(what, outputs, wanted, there):
    """Each is whole, or what it was before; how many are whole."""
    whole = 0
    for path, want in zip(outputs, wanted):
        got = content(path)
        if got == want:
            whole += 1
        elif got != (OLD if there else None):
            complain('%s: %s has %s bytes, not %d' % (what, os.path.basename(path), len(got or b''), len(want)))
    return whole


# ------------------------------------------------------------------------------------------------------------- kills

def measure(command):
    """What it writes; seconds of its life and of its writing."""
    name, arguments, outputs = command
    begin(arguments).communicate() # once, for the programs to be compiled
    empty(out)
    start = time.monotonic()
    process, first, last = begin(arguments), None, None
    while process.poll() is None:
        if first is None and has_bytes(out):
            first = time.monotonic()
        if last is None and all(map(os.path.exists, outputs)):
            last = time.monotonic()
        time.sleep(0.0002)
    end = time.monotonic()
    if process.returncode != 0:
        sys.exit('%s fails: %s' % (name, process.stderr.read().decode()))
    process.stderr.close()
    wanted = [content(path) for path in outputs]
    empty(out)
    return wanted, end - start, (last or end) - (first or start)


def send(process, number):
    """To the process; or to one of its threads, if there are others and the number of that system call is known."""
    call = {'x86_64': 234, 'aarch64': 131}.get(platform.machine()) # tgkill
    others = [int(t) for t in os.listdir('/proc/%d/task' % process.pid) if int(t) != process.pid] \
        if call is not None and number != signal.SIGKILL else []
    if others and rng.random() < 0.5:
        ctypes.CDLL(None).syscall(call, process.pid, rng.choice(sorted(others)), number.value)
        return True
    process.send_signal(number)
    return False


def kill_one(command, measured, number, there, anywhere, counts):
    name, arguments, outputs = command
    wanted, life, writing = measured
    what = '%s, %s' % (name, signal.Signals(number).name)
    prepare(outputs, there)
    before = set(temporaries(out))
    process = begin(arguments)
    if anywhere:
        time.sleep(rng.uniform(0, life * 1.1))
    else:
        moment = rng.uniform(0, writing)
        while process.poll() is None and not any(size_of(os.path.join(out, t)) > 0
                                                 for t in set(temporaries(out)) - before):
            time.sleep(0.0001)
        time.sleep(moment)
    phase = 'after'
    if process.poll() is None:
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        fresh = set(temporaries(out)) - before
        renamed = sum(content(path) == want for path, want in zip(outputs, wanted))
        if renamed == len(outputs):
            phase = 'after'
        elif renamed > 0:
            phase = 'between'
        elif any(size_of(os.path.join(out, t)) > 0 for t in fresh):
            phase = 'while'
        else:
            phase = 'before'
        counts['threads'] += send(process, number)
        process.send_signal(signal.SIGCONT)
    words = process.communicate()[1].decode()
    counts[phase] += 1
    whole = check_outputs('%s, %s writing' % (what, phase), outputs, wanted, there)
    # a signal that a thread of the runtime has to pass on may come too late, and then everything is done
    done = process.returncode == 0 and (phase == 'after' or (number != signal.SIGKILL and whole == len(outputs)))
    counts['late'] += done and phase != 'after'
    if process.returncode != -number and not done:
        complain('%s, %s writing: exit status %d: %s' % (what, phase, process.returncode, words))
    if phase == 'after' and whole != len(outputs):
        complain('%s, after writing: %d of %d outputs' % (what, whole, len(outputs)))
    left = set(temporaries(out)) - before
    counts['left'] += len(left)
    if left and (number != signal.SIGKILL or any(not re.fullmatch(r'\.clmp-\d+-\d+\.tmp', n) for n in left)):
        complain('%s, %s writing: leaves %s' % (what, phase, ' '.join(left)))
    for path in outputs:
        if os.path.exists(path):
            os.unlink(path)


def kills():
    counts = dict.fromkeys(('before', 'while', 'between', 'after', 'left', 'threads', 'late'), 0)
    list_of = commands(out)
    measured = [measure(command) for command in list_of]
    numbers = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
    for i in range(KILLS):
        kill_one(list_of[i % 3], measured[i % 3], numbers[i // 3 % 3], i // 9 % 2 == 0, i // 18 % 3 == 0, counts)
    print('kills: %d (seed %d), %d of them by signals to threads of the runtime (%d came too late)' %
          (KILLS, SEED, counts['threads'], counts['late']))
    print('       %(before)d before, %(while)d while, %(between)d between the names of several outputs, %(after)d after '
          'writing; SIGKILL left %(left)d temporary files' % counts)
    for command, (wanted, _, _) in zip(list_of, measured): # leftovers are in nobody's way
        left = set(temporaries(out))
        status = begin(command[1]).wait()
        if status != 0 or check_outputs('%s beside leftovers' % command[0], command[2], wanted, False) != len(wanted):
            complain('%s beside leftovers: exit status %d' % (command[0], status))
        if set(temporaries(out)) != left:
            complain('%s takes or leaves a temporary file beside leftovers' % command[0])
    empty(out)
    return [wanted for wanted, _, _ in measured]


# -------------------------------------------------------------------------------------------------------- full disks

def mounted(folder):
    os.makedirs(folder, exist_ok=True)
    return subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=1m,mode=700', 'clmp-kills', folder],
                          stderr=subprocess.DEVNULL).returncode == 0 if os.geteuid() == 0 else False


def resize(folder, size):
    subprocess.run(['mount', '-o', 'remount,size=%d' % size, folder], check=True)


def check_refused(what, process, message):
    words = process.communicate()[1].decode()
    if process.returncode != 2 or words.count('\n') != 1 or message not in words:
        complain('%s: exit status %d: %s' % (what, process.returncode, words))


def full_disk(wanted, folder):
    tries = refused = 0
    for (name, arguments, outputs), want in zip(commands(folder), wanted):
        total = sum((len(w) + PAGE - 1) // PAGE for w in want)
        for there in (False, True):
            pages = total + len(want) * there
            for size in sorted({1 + len(want), pages // 3, pages // 2, pages - 1, pages, pages + 8}):
                empty(folder)
                resize(folder, max(size, 2 + len(want)) * PAGE)
                prepare(outputs, there)
                process = begin(arguments)
                words = process.communicate()[1].decode()
                what = '%s on a disk of %d pages' % (name, size)
                whole = check_outputs(what, outputs, want, there)
                tries += 1
                if process.returncode == 0:
                    if whole != len(want):
                        complain('%s: success with %d of %d outputs' % (what, whole, len(want)))
                else:
                    refused += 1
                    if process.returncode != 2 or words.count('\n') != 1 or 'No space left' not in words or whole:
                        complain('%s: exit status %d, %d whole: %s' % (what, process.returncode, whole, words))
                if temporaries(folder):
                    complain('%s: leaves %s' % (what, temporaries(folder)))
    empty(folder)
    print('full disk, tmpfs: %d runs, %d refused' % (tries, refused))
    if not 0 < refused < tries:
        complain('a full disk never or always refuses')


def limited_files(wanted):
    tries = 0
    for (name, arguments, outputs), want in zip(commands(out), wanted):
        for there in (False, True):
            for limit in (1, PAGE, 65536, max(map(len, want)) - 1):
                prepare(outputs, there)
                what = '%s, files of at most %d bytes' % (name, limit)
                check_refused(what, begin(arguments, limit), 'File too large')
                if check_outputs(what, outputs, want, there) == len(want) or temporaries(out):
                    complain('%s: %s' % (what, os.listdir(out)))
                empty(out)
                tries += 1
        for path in outputs:
            full = [a if a != path else '/dev/full' for a in arguments]
            check_refused('%s to /dev/full' % name, begin(full), 'No space left')
            if os.listdir(out):
                complain('%s to /dev/full leaves %s' % (name, os.listdir(out)))
            tries += 1
    print('full disk, RLIMIT_FSIZE and /dev/full: %d runs, all refused' % tries)


# -------------------------------------------------------------------------------------- the cache of compiled programs

def cache_under(what, wanted, folder):
    """The smallest of the commands, with its programs to be kept there; PoCL keeps its own elsewhere."""
    name, arguments, outputs = commands(out)[2]
    process = begin(arguments, None, CLMP_CACHE_DIR=os.path.join(folder, 'libclmp'))
    words = process.communicate()[1].decode()
    if process.returncode != 0 or check_outputs(what, outputs, wanted[2], False) != 1:
        complain('%s: exit status %d: %s' % (what, process.returncode, words))
    kept = os.path.join(folder, 'libclmp')
    files = os.listdir(kept) if os.path.isdir(kept) else []
    if any(name.endswith('.tmp') for name in files):
        complain('%s: leaves %s' % (what, files))
    empty(out)
    return len(files)


def caches(wanted, disk):
    kept = 0
    for pages in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64) if disk else ():
        shutil.rmtree(os.path.join(disk, 'libclmp'), ignore_errors=True)
        resize(disk, pages * PAGE)
        kept += cache_under('cache on a disk of %d pages' % pages, wanted, disk) > 0
    if disk:
        shutil.rmtree(os.path.join(disk, 'libclmp'), ignore_errors=True)
        for options in ('remount,ro', 'remount,rw'):
            subprocess.run(['mount', '-o', options, disk], check=True)
            cache_under('cache on a disk that is ' + options, wanted, disk)
    print('cache on a full disk: %s, right every time' % ('11 sizes, of which %d kept a program' % kept if disk else
                                                           'not run, as it takes root to mount a tmpfs'))
    survivors = killed = 0
    for round_ in range(max(1, KILLS // 150)):
        folder = os.path.join(root, 'shared-%d' % round_)
        os.makedirs(folder)
        shared, running = os.path.join(folder, 'libclmp'), []
        for i in range(24):
            own = os.path.join(folder, 'out-%d' % i)
            os.makedirs(own)
            os.makedirs(os.path.join(own, 'pocl'))
            name, arguments, outputs = commands(own)[2]
            # each compiles, as PoCL's own cache is one of each process
            running.append((begin(arguments, None, CLMP_CACHE_DIR=shared, POCL_CACHE_DIR=os.path.join(own, 'pocl')),
                            outputs))
        doomed = rng.sample(range(24), 8)
        start = time.monotonic()
        # while the programs are written: from when the first is there, or from the start
        for n, i in enumerate(doomed):
            if n % 2 == 0:
                while not (os.path.isdir(shared) and os.listdir(shared)) and time.monotonic() - start < 60:
                    time.sleep(0.001)
            time.sleep(rng.uniform(0, 0.3))
            running[i][0].kill()
        for i, (process, outputs) in enumerate(running):
            words = process.communicate()[1].decode()
            if process.returncode == -signal.SIGKILL and i in doomed:
                killed += 1
            elif process.returncode != 0 or check_outputs('process %d of 24' % i, outputs, wanted[2], False) != 1:
                complain('process %d of 24: exit status %d: %s' % (i, process.returncode, words))
            else:
                survivors += 1
        files = os.listdir(shared)
        if not any(name.endswith('.bin') for name in files):
            complain('24 processes keep no program')
        if any(not re.fullmatch(r'[0-9a-f]{16}\.bin|[0-9]+-[0-9a-f]+\.tmp', name) for name in files):
            complain('24 processes leave %s' % files)
        for name in files: # the next test is that none is added
            if name.endswith('.tmp'):
                os.unlink(os.path.join(shared, name))
        cache_under('the folder that 24 processes shared', wanted, folder)
        shutil.rmtree(folder)
    print('cache of 24 processes at once: %d gave the right bits, %d were killed' % (survivors, killed))


def run():
    disk = os.path.join(root, 'disk')
    os.makedirs(out)
    os.environ['CLMP_CACHE_DIR'] = os.path.join(root, 'programs')
    os.environ['POCL_CACHE_DIR'] = os.path.join(root, 'pocl')
    os.makedirs(os.path.join(root, 'pocl'))
    write_inputs()
    wanted = kills()
    if KILLS < 100:
        limited_files(wanted)
        return
    has_disk = mounted(disk)
    try:
        if has_disk:
            full_disk(wanted, disk)
        else:
            print('full disk, tmpfs: not run, as it takes root to mount one')
        limited_files(wanted)
        caches(wanted, disk if has_disk else None)
    finally:
        if has_disk:
            subprocess.run(['umount', disk])


try:
    run()
finally:
    shutil.rmtree(root, ignore_errors=True)
print('%d problems' % len(problems))
sys.exit(1 if problems else 0)
PYTHON
