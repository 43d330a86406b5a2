/* An external delegate for tests: it claims "edgetpu-custom-op", copies that operator's
 * input to its output, and fails as its options say.
 *
 *   create=HOW prepare=HOW invoke=HOW   the call that fails, and how (see `fail_as`)
 *   after=N                             invoke fails only after N successful ones
 *   device=usb:N                        opens device N
 *
 * HOW in each call: slow, hang, abort, corrupt, segv, exit, print. Also create=null,
 * prepare=fail, invoke=fail, invoke=wrong.
 *
 * The environment variable DELEGATE_DEVICES has the paths of the devices in the order
 * of their numbers, separated by spaces.
 *
 * The structures are those of TensorFlow Lite 2.14's core/c/common.h (the same in
 * ai-edge-litert), up to the last member used; structures that the runtime reads as a
 * whole are complete. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef enum { kOk = 0, kError = 1 } Status;
typedef struct Context Context;
typedef struct Delegate Delegate;

typedef struct {
    int size;
    int data[];
} IntArray;

typedef struct {
    int type;
    void *data;
    IntArray *dims;
    struct {
        float scale;
        int32_t zero_point;
    } params;
    int allocation_type;
    size_t bytes;
    const void *allocation;
    const char *name;
    Delegate *delegate;
    int buffer_handle;
    bool data_is_stale, is_variable;
    struct {
        int type;
        void *params;
    } quantization;
    void *sparsity;
    const IntArray *dims_signature;
} Tensor;

typedef struct {
    IntArray *inputs, *outputs; /* more members follow, which are not used here */
} Node;

typedef struct {
    void *(*init)(Context *, const char *, size_t);
    void (*free)(Context *, void *);
    Status (*prepare)(Context *, Node *);
    Status (*invoke)(Context *, Node *);
    const char *(*profiling_string)(const Context *, const Node *);
    int32_t builtin_code;
    const char *custom_name;
    int version;
    void *external, *async_kernel;
    uint64_t inplace_operator;
} Registration;

struct Context {
    size_t tensors_size;
    Status (*execution_plan)(Context *, IntArray **);
    Tensor *tensors;
    void *impl;
    Status (*resize_tensor)(Context *, Tensor *, IntArray *);
    void (*report_error)(Context *, const char *, ...);
    Status (*add_tensors)(Context *, int, int *);
    Status (*node_and_registration)(Context *, int, Node **, Registration **);
    Status (*replace_nodes)(Context *, Registration, const IntArray *, Delegate *);
};

struct Delegate {
    void *data;
    Status (*prepare)(Context *, Delegate *);
    void *copy_from, *copy_to, *free_handle;
    int64_t flags;
    void *opaque_builder;
};

enum { kBuiltinDelegate = 51, kAllowDynamicTensors = 1 };

static char create[16], prepare[16], invoke[16];
static long after, invocations;

static bool is(const char *how, const char *word) { return !strcmp(how, word); }

static void fail_as(const char *how) {
    if (is(how, "slow")) usleep(20000);
    if (is(how, "hang")) {
        fputs("waits for a device\n", stderr);
        for (;;) pause();
    }
    if (is(how, "corrupt")) {
        fputs("free(): invalid pointer\n", stderr);
        abort();
    }
    if (is(how, "abort")) {
        fputs("F driver.cc:857] transfer on tag 1 failed. Abort.\n", stderr);
        abort();
    }
    if (is(how, "segv")) *(volatile int *)8 = 0;
    if (is(how, "exit")) _exit(3);
    if (is(how, "print"))
        for (int i = 0; i < 2000; i++) { /* more than the buffer of a pipe */
            printf("\xff\xfe {garbage} on line %d of stdout, longer than most\n", i);
            fflush(stdout);
            fprintf(stderr, "+ garbage on line %d of stderr, longer than most\n", i);
        }
}

static Status kernel_invoke(Context *context, Node *node) {
    Tensor *input = &context->tensors[node->inputs->data[0]];
    Tensor *output = &context->tensors[node->outputs->data[0]];
    memcpy(output->data, input->data, output->bytes);
    if (invocations++ < after) return kOk;
    fail_as(invoke);
    if (is(invoke, "wrong")) ((char *)output->data)[0] ^= 0x40;
    if (is(invoke, "fail")) {
        context->report_error(context, "Failed to execute request.");
        return kError;
    }
    return kOk;
}

static Status kernel_prepare(Context *context, Node *node) {
    (void)context, (void)node;
    fail_as(prepare);
    return is(prepare, "fail") ? kError : kOk;
}

static Status delegate_prepare(Context *context, Delegate *delegate) {
    IntArray *plan;
    context->execution_plan(context, &plan);
    IntArray *claimed = malloc(sizeof *claimed + plan->size * sizeof *plan->data);
    claimed->size = 0;
    for (int i = 0; i < plan->size; i++) {
        Node *node;
        Registration *op;
        context->node_and_registration(context, plan->data[i], &node, &op);
        if (op->custom_name && is(op->custom_name, "edgetpu-custom-op"))
            claimed->data[claimed->size++] = plan->data[i];
    }
    Registration kernel = {
        .prepare = kernel_prepare,
        .invoke = kernel_invoke,
        .builtin_code = kBuiltinDelegate,
        .custom_name = "EdgeTpuDelegateForCustomOp",
        .version = 1,
    };
    Status status = context->replace_nodes(context, kernel, claimed, delegate);
    free(claimed);
    return status;
}

/* edgetpu_c.h */
typedef struct {
    int type; /* 0 PCIe, 1 USB */
    const char *path;
} Device;

Device *edgetpu_list_devices(size_t *count) {
    const char *paths = getenv("DELEGATE_DEVICES");
    *count = 0;
    if (!paths) return NULL;
    Device *devices = malloc(strlen(paths) * sizeof *devices);
    for (char *path = strtok(strdup(paths), " "); path; path = strtok(NULL, " "))
        devices[(*count)++] = (Device){1, path};
    return devices;
}

void edgetpu_free_devices(Device *devices) { free(devices); }

static void open_device(const char *name) {
    size_t count, number;
    Device *devices = edgetpu_list_devices(&count);
    if (sscanf(name, "usb:%zu", &number) == 1 && number < count)
        fprintf(stderr, "opens %s\n", devices[number].path);
    edgetpu_free_devices(devices);
}

Delegate *tflite_plugin_create_delegate(char **keys, char **values, size_t count,
                                        void (*report_error)(const char *)) {
    (void)report_error; /* libedgetpu does not report a reason either */
    for (size_t i = 0; i < count; i++) {
        char *how = is(keys[i], "create")    ? create
                    : is(keys[i], "prepare") ? prepare
                    : is(keys[i], "invoke")  ? invoke
                                             : NULL;
        if (how) strncpy(how, values[i], sizeof create - 1);
        if (is(keys[i], "after")) after = atol(values[i]);
        if (is(keys[i], "device")) open_device(values[i]);
    }
    fail_as(create);
    if (is(create, "null")) return NULL;
    Delegate *delegate = calloc(1, sizeof *delegate);
    delegate->prepare = delegate_prepare;
    delegate->flags = kAllowDynamicTensors;
    return delegate;
}

void tflite_plugin_destroy_delegate(Delegate *delegate) { free(delegate); }
