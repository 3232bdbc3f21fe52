"""Attacks of spikes/sandbox as blocks: `run()` gives the error of each attempt, or `through`."""

from __future__ import annotations

PRELUDE = """
import ctypes, errno, os, socket, stat, subprocess, time
libc = ctypes.CDLL(None, use_errno=True)

def attempt(act):
    try:
        act()
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
    return "through"

def raw(number, *arguments):
    if libc.syscall(number, *arguments) >= 0:
        return "through"
    return errno.errorcode[ctypes.get_errno()]
"""

READ_SHADOW = "def run(): return attempt(lambda: open('/etc/shadow').read())"
READ_SECRET = "def run(): return attempt(lambda: open('@WORK@/head.key').read())"
FIND_SECRET_IN_ENVIRONMENTS = """
def run():
    found = ["own"] if "@TOKEN@" in str(os.environ) else []
    for pid in ["self"] + [str(pid) for pid in range(1, 70000)]:
        try:
            if b"@TOKEN@" in open(f"/proc/{pid}/environ", "rb").read(): found.append(pid)
        except OSError:
            pass
    return found
"""
CONNECT = """
def run(): return attempt(lambda: socket.create_connection(("127.0.0.1", @PORT@), 2))
"""
SEND_DATAGRAM = """
def run():
    def send(): socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", @PORT@))
    return attempt(send)
"""
CONNECT_ABSTRACT = """
def run(): return attempt(lambda: socket.socket(socket.AF_UNIX).connect("\\0@TOKEN@"))
"""
SOCKET_FAMILIES = """
def run():
    families = {1: 1, 2: 1, 10: 1, 16: 3, 17: 3, 38: 5, 40: 1}
    return [attempt(lambda: socket.socket(f, t).close()) for f, t in families.items()]
"""
WRITE_OUTSIDE = """
def run():
    places = ["/usr/pwn", "/usr/lib/pwn", "/etc/pwn", "/pwn", "/home/pwn", "/var/tmp/pwn",
              "/dev/pwn", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "@WORK@/pwn",
              "@PACKAGE@/pwn.py"]
    return [attempt(lambda: open(place, "a").close()) for place in places]
"""
CHANGE_OUTSIDE = """
def run():
    key = "@WORK@/head.key"
    return [attempt(lambda: os.chmod(key, 0o777)), attempt(lambda: os.unlink(key)),
            attempt(lambda: os.rename(key, key + "2")), attempt(lambda: os.truncate(key, 0)),
            attempt(lambda: os.open(key, os.O_RDONLY | os.O_TRUNC)),
            attempt(lambda: os.link(key, "/tmp/key")), attempt(lambda: os.utime(key)),
            attempt(lambda: os.mkdir("@WORK@/folder"))]
"""
FORK_BOMB = """
def run():
    while True:
        if os.fork() == 0: time.sleep(20)
"""
THREAD_BOMB = """
import threading
def run():
    for _ in range(3000): threading.Thread(target=time.sleep, args=(20,), daemon=True).start()
"""
ALLOCATE = "def run(): return len(bytearray(10 * 1024**3))"
ALLOCATE_IN_CHILDREN = """
def run():
    for _ in range(10):
        if os.fork() == 0: bytearray(900 * 1024**2)
"""
FILL_DISK = """
def run():
    total, why = 0, []
    for folder in ("/tmp", "/dev/shm", "@WORK@"):
        def fill():
            nonlocal total
            for number in range(100):
                with open(f"{folder}/f{number}", "wb") as file:
                    for _ in range(3): total += file.write(b"x" * (1 << 20))
        why.append(attempt(fill))
    return {"bytes": total, "why": why}
"""
SPIN = """
def run():
    while True: pass
"""
SPIN_STUBBORNLY = """
import signal
def run():
    signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    while True: pass
"""
SLEEP = "def run(): time.sleep(10000)"
FLOOD = """
def run():
    while True: print("A" * 65536)
"""
FLOOD_ERRORS = """
def run():
    while True: os.write(2, b"A" * 65536)
"""
TRACE = "def run(): return raw(101, 16, {pid}, 0, 0)"
SIGNAL = """
def run(): return [attempt(lambda: os.kill(pid, 0)) for pid in (1, os.getppid(), @PARENT@, -1, 0)]
"""
SIGNAL_BY_PIPE = """
import fcntl
def run():
    read, write = os.pipe()
    def send():
        fcntl.fcntl(read, 8, @PARENT@)  # F_SETOWN
        fcntl.fcntl(read, 10, 10)  # F_SETSIG, SIGUSR1
        fcntl.fcntl(read, 4, fcntl.fcntl(read, 3) | 0o20000)  # O_ASYNC
        os.write(write, b"x")
    return attempt(send)
"""
CLONE_NAMESPACE = """
def run():
    flags = [0x10000000 | 17, 0x10000000 | 0x10000, 0x40000000 | 17]
    return [raw(56, f, 0, 0, 0, 0) for f in flags] + [raw(435, 0, 0)]
"""
CALL = """
def run():
    buffer = ctypes.create_string_buffer(512)
    return raw({number}, {arguments})
"""
FATAL_CALLS = {
    "unshare": (272, "0x10000000"),
    "setns": (308, "0, 0"),
    "mount": (165, 'b"none", b"/tmp", b"tmpfs", 0, 0'),
    "bpf": (321, "0, buffer, 72"),
    "perf_event_open": (298, "buffer, 0, -1, -1, 0"),
    "io_uring_setup": (425, "8, buffer"),
    "keyctl": (250, "0, -3, 0"),
    "userfaultfd": (323, "0"),
    "open_by_handle_at": (304, "-100, buffer, 0"),
    "process_vm_readv": (310, "1, buffer, 1, buffer, 1, 0"),
    "x32 getpid": (0x40000027, ""),
}
DEVICES = """
def run():
    opened = [attempt(lambda: os.open(p, os.O_RDONLY))
              for p in ("/dev/vda", "/dev/kvm", "/dev/mem", "/dev/fuse", "/dev/tty")]
    return opened + [attempt(lambda: os.mknod("/tmp/x", 0o60600, os.makedev(254, 0)))]
"""
GAIN_ROOT = """
def run():
    return [attempt(lambda: os.setresuid(0, 0, 0)),
            attempt(lambda: os.execv("/usr/bin/su", ["su"])),
            raw(319, b"name", 0), raw(15739)]
"""
START_PROGRAM = "def run(): subprocess.run(['/usr/bin/true'])"
DAEMON = """
def run():
    if os.fork() == 0:
        os.setsid()
        time.sleep(60)
    return "through"
"""
DESCRIPTORS = """
def run():
    kinds = []
    for fd in range(64):
        try:
            mode = os.fstat(fd).st_mode
        except OSError:
            continue
        kinds.append("pipe" if stat.S_ISFIFO(mode) else "null" if fd == 0 else oct(mode))
    return kinds
"""
CGROUP = """
def run():
    return [attempt(lambda: os.mkdir(f"/sys/fs/cgroup/{p}pwn")) for p in ("", "memory/", "pids/")]
"""
UNDO_LIMITS = """
import resource
def run():
    reasons = []
    for which in (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_NPROC):
        try:
            resource.setrlimit(which, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            reasons.append("through")
        except (OSError, ValueError) as error:
            reasons.append(type(error).__name__)
    return reasons + [attempt(lambda: resource.prlimit(@PARENT@, resource.RLIMIT_CPU))]
"""
OUTLIVE = "def run(): return [raw(157, 1, 0, 0, 0, 0), raw(157, 38, 0, 0, 0, 0)]"
INJECT_INPUT = """
import fcntl
def run(): return attempt(lambda: fcntl.ioctl(1, 0x5412, b"x"))
"""
