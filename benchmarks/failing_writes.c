/* A preloaded library that fails one write, rename or flush below a folder, as a full disk does; see failing_pipeline.py.
 *
 * The file that FAILING_WRITES names is mapped by every process: steps are counted over all of them. A write that fails has
 * written half of its bytes. Writes by stdio inside the C library are not seen. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct control {
    int64_t count, fail_at, enabled, failed; /* steps so far; the number of the one that fails, -1: none; whether one has failed */
    char root[4096], what[256], where[4096]; /* the folder; what failed, and the file */
};
static struct control *control;

__attribute__((constructor)) static void begin(void) {
    const char *file = getenv("FAILING_WRITES");
    int descriptor = file ? open(file, O_RDWR | O_CLOEXEC) : -1;
    if (descriptor < 0) return;
    void *mapped = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (mapped != MAP_FAILED) control = mapped;
    close(descriptor);
}

static int below(const char *path) {
    size_t length = strlen(control->root);
    return length && strncmp(path, control->root, length) == 0;
}

static int fails(const char *what, const char *path) {
    if (!below(path)) return 0;
    if (__atomic_fetch_add(&control->count, 1, __ATOMIC_SEQ_CST) != control->fail_at) return 0;
    control->failed = 1;
    snprintf(control->what, sizeof control->what, "%s", what);
    snprintf(control->where, sizeof control->where, "%s", path);
    return 1;
}

static int fails_in(const char *what, int descriptor) {
    char link[64], path[PATH_MAX];
    if (!control || !control->enabled) return 0;
    int before = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = before;
    if (length <= 0) return 0;
    path[length] = 0;
    return fails(what, path);
}

static int fails_at(const char *what, const char *path) {
    char whole[PATH_MAX + 1];
    if (!control || !control->enabled) return 0;
    if (path[0] != '/' && getcwd(whole, PATH_MAX / 2)) {
        strcat(whole, "/");
        strncat(whole, path, PATH_MAX / 2 - 1);
        return fails(what, whole);
    }
    return fails(what, path);
}

#define NEXT(name) static __typeof__(name) *next; if (!next) next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)
#define FULL return errno = ENOSPC, -1

ssize_t write(int descriptor, const void *bytes, size_t count) {
    NEXT(write);
    if (fails_in("write", descriptor)) { next(descriptor, bytes, count / 2); FULL; }
    return next(descriptor, bytes, count);
}
ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t place) {
    NEXT(pwrite);
    if (fails_in("write", descriptor)) { next(descriptor, bytes, count / 2, place); FULL; }
    return next(descriptor, bytes, count, place);
}
ssize_t pwrite64(int descriptor, const void *bytes, size_t count, off64_t place) {
    NEXT(pwrite64);
    if (fails_in("write", descriptor)) { next(descriptor, bytes, count / 2, place); FULL; }
    return next(descriptor, bytes, count, place);
}
ssize_t writev(int descriptor, const struct iovec *parts, int count) {
    NEXT(writev);
    if (fails_in("write", descriptor)) { FULL; }
    return next(descriptor, parts, count);
}
ssize_t sendfile(int out, int in, off_t *place, size_t count) {
    NEXT(sendfile);
    if (fails_in("write", out)) { FULL; }
    return next(out, in, place, count);
}
ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t count, unsigned flags) {
    NEXT(copy_file_range);
    if (fails_in("write", out)) { FULL; }
    return next(in, from, out, to, count, flags);
}
int fsync(int descriptor) {
    NEXT(fsync);
    if (fails_in("flush", descriptor)) { FULL; }
    return next(descriptor);
}
int fdatasync(int descriptor) {
    NEXT(fdatasync);
    if (fails_in("flush", descriptor)) { FULL; }
    return next(descriptor);
}
int rename(const char *before, const char *after) {
    NEXT(rename);
    if (fails_at("rename", after)) { FULL; }
    return next(before, after);
}
int renameat(int from, const char *before, int to, const char *after) {
    NEXT(renameat);
    if (fails_at("rename", after)) { FULL; }
    return next(from, before, to, after);
}
