//! The layer over NVIDIA's driver, on a fake driver. A process opens the driver once, so each test here is a child process
//! that runs one of the ignored tests below, with its own settings.

use std::process::Command;

use facevault::cuda::{Card, CudaError, Graph, Kernel, Stream};

use crate::support::fake_cuda;

/// Runs an ignored test of this file in a process with that driver; what it printed. It must not misuse the driver, except
/// where `misuse` is a part of what the driver says about it.
fn child(test: &str, settings: &[(&str, &str)], misuse: Option<&str>) -> Option<String> {
    let folder = fake_cuda::folder()?;
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("cuda::{test}"), "--ignored", "--nocapture", "--quiet"]);
    let output = fake_cuda::steer(&mut command, folder, settings).output().unwrap();
    let (text, errors) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{test} failed:\n{text}\n{errors}");
    assert!(text.contains("1 passed"), "there is no test {test}:\n{text}");
    match misuse {
        Some(part) => assert!(errors.contains(part), "the driver does not say {part:?}:\n{errors}"),
        None => assert!(!errors.contains("fake_cuda:"), "{errors}"),
    }
    Some(text)
}

#[test]
fn work_on_a_card() {
    child("a_card_tells_what_it_is", &[("FAKE_CUDA_DEVICES", "2"), ("FAKE_CUDA_NAMES", "Left,Right")], None);
    child("a_stream_does_its_work_in_order", &[], None);
    child("streams_wait_for_each_other", &[], None);
    child("threads_share_a_card", &[], None);
    child("a_graph_does_its_work_again", &[], None);
    child("a_graph_joins_what_several_streams_do", &[], None);
    child("each_kernel_of_the_binary_loads", &[("FAKE_CUDA_COMPUTE", "80")], None);
}

#[test]
fn all_that_is_taken_is_given_back() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let Some(_) = child("all_is_given_back", &[("FAKE_CUDA_LOG", log.path().to_str().unwrap())], None) else { return };
    let log = std::fs::read_to_string(log.path()).unwrap();
    let calls = |name| log.lines().filter(|line| line.split(' ').next() == Some(name)).count();
    for (take, give) in [
        ("cuDevicePrimaryCtxRetain", "cuDevicePrimaryCtxRelease_v2"),
        ("cuMemAlloc_v2", "cuMemFree_v2"),
        ("cuMemHostAlloc", "cuMemFreeHost"),
        ("cuStreamCreate", "cuStreamDestroy_v2"),
        ("cuEventCreate", "cuEventDestroy_v2"),
        ("cuModuleLoadDataEx", "cuModuleUnload"),
        ("cuStreamBeginCapture_v2", "cuStreamEndCapture"),
        ("cuStreamEndCapture", "cuGraphDestroy"),
        ("cuGraphInstantiateWithFlags", "cuGraphExecDestroy"),
    ] {
        assert_eq!(calls(take), calls(give), "{take} against {give} in\n{log}");
        assert!(calls(take) > 0, "{take} is not in\n{log}");
    }
}

/// Fault (processes): a card runs out of memory → an error with the bytes that are needed and that are free
/// Fault (processes): a card refuses a kernel → an error with the log of the driver's compiler
/// Fault (processes): a call of a card's driver fails → an error with the call's name
#[test]
fn what_goes_wrong_on_a_card() {
    child("a_full_memory_is_told_with_its_numbers", &[("FAKE_CUDA_MEMORY", "1000000")], None);
    child("a_kernel_that_the_driver_refuses_is_told_with_its_log", &[], None);
    child("a_launch_that_cannot_be_is_an_error", &[], None);
    child("waiting_in_a_capture_is_an_error", &[], Some("cuStreamSynchronize inside a capture"));
    child(
        "a_failure_of_the_driver_names_the_call",
        &[("FAKE_CUDA_FAIL", "cuLaunchKernel:2,cuStreamSynchronize:3:700")],
        None,
    );
}

/// Fault (processes): a driver that is missing, too old or broken → an error says why no card can be used, and what to install
#[test]
fn a_card_that_cannot_be_used_says_why() {
    let text = |settings: &[(&str, &str)]| {
        let text = child("prints_why_there_is_no_card", settings, None)?;
        Some(text.lines().find_map(|line| line.strip_prefix("no card: ")).unwrap_or(&text).to_owned())
    };
    let Some(none) = text(&[("FAKE_CUDA_DEVICES", "0")]) else { return };
    insta::assert_snapshot!(none, @"the NVIDIA driver shows no GPU; check `nvidia-smi` and CUDA_VISIBLE_DEVICES, and start a container with `--gpus all`");
    let old = text(&[("FAKE_CUDA_VERSION", "11080")]).unwrap();
    insta::assert_snapshot!(old, @"the NVIDIA driver is too old: it offers CUDA 11.8, but CUDA 12.1 is required; install driver 530 or newer");
    let card = text(&[("FAKE_CUDA_COMPUTE", "75"), ("FAKE_CUDA_NAMES", "Tesla T4")]).unwrap();
    insta::assert_snapshot!(card, @"the Tesla T4 has compute capability 7.5; 8.0 or newer is required; use a GPU of the Ampere generation (2020) or newer");
    let mismatch = text(&[("FAKE_CUDA_FAIL", "cuInit:1:803")]).unwrap();
    insta::assert_snapshot!(mismatch, @"the NVIDIA driver's library and kernel module do not match: CUDA_ERROR_SYSTEM_DRIVER_MISMATCH, system has unsupported display driver / cuda driver combination; restart the machine if the driver was updated, and remove `cuda-compat` from LD_LIBRARY_PATH");
    let other = text(&[("FAKE_CUDA_FAIL", "cuDevicePrimaryCtxRetain:1:46")]).unwrap();
    insta::assert_snapshot!(other, @"the NVIDIA driver failed in cuDevicePrimaryCtxRetain: error 46, the driver gives no description");

    let lacking =
        fake_cuda::library(r#"extern "C" int cuDriverGetVersion(int* version) { *version = 12010; return 0; }"#);
    let lacking = text(&[("FACEVAULT_CUDA_LIBS", lacking.path().to_str().unwrap())]).unwrap();
    insta::assert_snapshot!(lacking, @"the NVIDIA driver is too old: it offers no `cuInit`, but CUDA 12.1 is required; install driver 530 or newer");

    let broken = tempfile::tempdir().unwrap();
    std::fs::write(broken.path().join("libcuda.so.1"), "no library").unwrap();
    let text = text(&[("FACEVAULT_CUDA_LIBS", broken.path().to_str().unwrap())]).unwrap();
    let text = text.replace(broken.path().to_str().unwrap(), "FOLDER");
    insta::assert_snapshot!(text, @"no NVIDIA driver: FOLDER/libcuda.so.1: file too short; install one (530 or newer), start a container with `--gpus all`, or name the driver's folder in FACEVAULT_CUDA_LIBS");
}

/// The kernel that the fake driver brings along: adds `value` to each of `count` numbers.
#[derive(Clone, Copy)]
#[repr(C)]
struct Add {
    data: u64,
    count: u32,
    value: u32,
}

const PTX: &str = ".version 8.1\n.target sm_80\n.address_size 64\n\
                   .visible .entry fake_cuda_add(\n.param .align 8 .b8 fake_cuda_add_param_0[16]\n)\n{\nret;\n}\n";

fn add(card: &Card) -> Kernel {
    card.module(PTX).unwrap().kernel("fake_cuda_add").unwrap()
}

/// Queues adding `value` to `count` numbers at `data`.
fn queue(stream: &Stream, kernel: &Kernel, data: u64, count: u32, value: u32) -> Result<(), CudaError> {
    // SAFETY: `Add` is what the kernel takes; the tests keep the memory until they have waited.
    unsafe { stream.launch(kernel, [count.div_ceil(64), 1, 1], 64, 0, &Add { data, count, value }) }
}

fn numbers(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|four| u32::from_le_bytes(four.try_into().unwrap())).collect()
}

#[test]
#[ignore = "started by the tests above, with a driver"]
fn prints_why_there_is_no_card() {
    println!("\nno card: {}", Card::open(0).unwrap_err());
}

#[test]
#[ignore = "started by the tests above, with a driver"]
fn a_card_tells_what_it_is() {
    assert_eq!(Card::count().unwrap(), 2);
    let card = Card::open(1).unwrap();
    assert_eq!((card.name(), card.compute(), card.driver()), ("Right", (9, 0), (12, 1)));
    assert_eq!((card.multiprocessors(), card.shared_per_block(), card.pci_bus_id()), (4, 232_448, "0000:02:00.0"));
    assert_eq!(Card::open(2).unwrap_err(), CudaError::NoSuchCard { ordinal: 2, count: 2 });
}

#[test]
#[ignore = "started by the tests above, with a driver"]
fn a_stream_does_its_work_in_order() {
    let card = Card::open(0).unwrap();
    let (stream, kernel, memory) = (card.stream().unwrap(), add(&card), card.allocate(400).unwrap());
    // SAFETY: the memory lives, and nothing else uses it, until the stream was waited for.
    unsafe { stream.fill(&memory, 0) }.unwrap();
    stream.upload_now(&[1, 0, 0, 0, 2, 0, 0, 0], &memory, 8).unwrap();
    let before = stream.record().unwrap();
    queue(&stream, &kernel, memory.address(), 100, 10).unwrap();
    queue(&stream, &kernel, memory.address() + 8, 1, 100).unwrap();
    let after = stream.record().unwrap();
    assert!(!after.done().unwrap(), "nothing was waited for");
    let mut bytes = [0; 20];
    stream.download_now(&memory, 0, &mut bytes).unwrap();
    assert_eq!(numbers(&bytes), [10, 10, 111, 12, 10]);
    assert!(before.done().unwrap() && after.done().unwrap());
    assert!(after.milliseconds_since(&before).unwrap() >= 0.0);
    stream.upload_now(&[], &memory, 400).unwrap();
    // Pinned memory is the caller's again at once.
    let (mut from, mut to) = (card.pinned(4).unwrap(), card.pinned(4).unwrap());
    from.copy_from_slice(&[9, 0, 0, 0]);
    stream.upload_now(&from, &memory, 0).unwrap();
    from.fill(255);
    stream.download_now(&memory, 0, &mut to).unwrap();
    assert_eq!(numbers(&to), [9]);
    assert!(std::panic::catch_unwind(|| stream.upload_now(&[0; 4], &memory, 397)).is_err(), "it wrote past the end");
    assert!(
        std::panic::catch_unwind(|| stream.upload_now(&[0; 4], &memory, usize::MAX)).is_err(),
        "it wrote before it"
    );
}

#[test]
#[ignore = "started by the tests above, with a driver"]
fn streams_wait_for_each_other() {
    let card = Card::open(0).unwrap();
    let (first, second, kernel) = (card.stream().unwrap(), card.stream().unwrap(), add(&card));
    let memory = card.allocate(4).unwrap();
    let mut result = card.pinned(4).unwrap();
    assert_eq!(&result[..], [0; 4]);
    // SAFETY: the memory lives, and nothing else uses it, until the stream was waited for.
    unsafe { first.fill(&memory, 0) }.unwrap();
    queue(&first, &kernel, memory.address(), 1, 5).unwrap();
    second.wait(&first.record().unwrap()).unwrap();
    queue(&second, &kernel, memory.address(), 1, 6).unwrap();
    // SAFETY: both live, and are used by nobody, until the stream was waited for.
    unsafe { second.download(&memory, 0, &mut result) }.unwrap();
    let done = second.record().unwrap();
    assert_eq!(numbers(&result), [0], "the copy waits for nobody");
    done.synchronize().unwrap();
    assert_eq!(numbers(&result), [11]);
    result.copy_from_slice(&1.5_f32.to_ne_bytes());
    assert_eq!(result.floats(), [1.5]);
}

#[test]
#[ignore = "started by the tests above, with a driver"]
fn threads_share_a_card() {
    let card = Card::open(0).unwrap();
    let kernel = add(&card);
    std::thread::scope(|scope| {
        for value in 1..=4 {
            let (card, kernel) = (card.clone(), kernel.clone());
            scope.spawn(move || {
                let (stream, memory) = (card.stream().unwrap(), card.allocate(40).unwrap());
                // SAFETY: the memory lives, and nothing else uses it, until the stream was waited for.
                unsafe { stream.fill(&memory, 0) }.unwrap();
                for _ in 0..100 {
                    queue(&stream, &kernel, memory.address(), 10, value).unwrap();
                }
                let mut bytes = [0; 40];
                stream.download_now(&memory, 0, &mut bytes).unwrap();
                assert_eq!(numbers(&bytes), [100 * value; 10]);
            });
        }
    });
}

#[test]
#[ignore = "started by the tests above, with a driver"]
fn a_graph_does_its_work_again() {
    let card = Card::open(0).unwrap();
    let (stream, kernel, memory) = (card.stream().unwrap(), add(&card), card.allocate(4).unwrap());
    let (mut from, mut to) = (card.pinned(4).unwrap(), card.pinned(4).unwrap());
    let graph = Graph::capture(&stream, || {
        // SAFETY: the memory outlives the graph, and is left alone while the stream works.
        unsafe { stream.upload(&from, &memory, 0) }?;
        queue(&stream, &kernel, memory.address(), 1, 7)?;
        // SAFETY: as above.
        unsafe { stream.download(&memory, 0, &mut to) }
    })
    .unwrap();
    stream.synchronize().unwrap();
    assert_eq!(numbers(&to), [0], "to capture is not to do");
    for start in [1_u32, 20] {
        from.copy_from_slice(&start.to_le_bytes());
        graph.launch(&stream).unwrap();
        stream.synchronize().unwrap();
        assert_eq!(numbers(&to), [start + 7]);
    }
}

#[test]
#[ignore = "started by the tests above, with a driver"]
fn a_graph_joins_what_several_streams_do() {
    let card = Card::open(0).unwrap();
    let (stream, side, kernel) = (card.stream().unwrap(), card.stream().unwrap(), add(&card));
    let memory = card.allocate(8).unwrap();
    // SAFETY: the memory lives, and nothing else uses it, until the stream was waited for.
    unsafe { stream.fill(&memory, 0) }.unwrap();
    let fork = || {
        side.wait(&stream.record()?)?;
        queue(&stream, &kernel, memory.address(), 1, 1)?;
        queue(&side, &kernel, memory.address() + 4, 1, 2)
    };
    let graph = Graph::capture(&stream, || fork().and_then(|()| stream.wait(&side.record()?))).unwrap();
    graph.launch(&stream).unwrap();
    graph.launch(&stream).unwrap();
    let mut bytes = [0; 8];
    stream.download_now(&memory, 0, &mut bytes).unwrap();
    assert_eq!(numbers(&bytes), [2, 4]);
}

#[test]
#[ignore = "started by the tests above, with a driver"]
fn all_is_given_back() {
    let card = Card::open(0).unwrap();
    let (free, total) = card.memory().unwrap();
    assert_eq!(free, total);
    for _ in 0..3 {
        let (stream, kernel, memory) = (card.stream().unwrap(), add(&card), card.allocate(1000).unwrap());
        assert_eq!(card.memory().unwrap(), (total - 1000, total));
        queue(&stream, &kernel, memory.address(), 100, 1).unwrap();
        let graph = Graph::capture(&stream, || queue(&stream, &kernel, memory.address(), 1, 1)).unwrap();
        graph.launch(&stream).unwrap();
        let _event = stream.record().unwrap();
        let _pinned = card.pinned(10).unwrap();
    }
    assert_eq!(card.memory().unwrap(), (total, total));
    let memory = card.allocate(1).unwrap();
    drop(card);
    assert_eq!((memory.len(), memory.address() % 256), (1, 0), "the memory holds its card");
}

/// The oldest driver and the oldest card take the committed PTX, and its kernels have the arguments of their sources.
#[test]
#[ignore = "started by the tests above, with a driver"]
fn each_kernel_of_the_binary_loads() {
    let card = Card::open(0).unwrap();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/cuda/ptx");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut kernels = 0;
    for path in paths.filter(|path| path.extension().is_some_and(|extension| extension == "ptx")) {
        let ptx = std::fs::read_to_string(&path).unwrap();
        let module = card.module(&ptx).unwrap();
        for entry in ptx.split(".entry ").skip(1) {
            let name = entry.split('(').next().unwrap().trim();
            module.kernel(name).unwrap_or_else(|error| panic!("{name} of {}: {error}", path.display()));
            kernels += 1;
        }
    }
    assert!(kernels > 0, "there is no kernel in {folder}");
}

#[test]
#[ignore = "started by the tests above, with a driver"]
fn a_full_memory_is_told_with_its_numbers() {
    let card = Card::open(0).unwrap();
    let held = card.allocate(700_000).unwrap();
    let error = card.allocate(400_000).unwrap_err();
    assert_eq!(error, CudaError::OutOfMemory { wanted: Some(400_000), room: Some((300_000, 1_000_000)) });
    assert!(error.is_out_of_memory());
    drop(held);
    card.allocate(400_000).unwrap();
}

#[test]
#[ignore = "started by the tests above, with a driver"]
fn a_kernel_that_the_driver_refuses_is_told_with_its_log() {
    let card = Card::open(0).unwrap();
    let text = |ptx: &str| card.module(ptx).unwrap_err().to_string();
    insta::assert_snapshot!(text(&PTX.replace("8.1", "8.8")), @"the NVIDIA driver rejects the kernels: CUDA_ERROR_UNSUPPORTED_PTX_VERSION, ptxas application ptx input, line 1; fatal   : Unsupported .version 8.8; update the driver");
    insta::assert_snapshot!(text(&PTX.replace("sm_80", "sm_100")), @"the NVIDIA driver rejects the kernels: CUDA_ERROR_NO_BINARY_FOR_GPU, no kernel image is available for execution on the device; update the driver");
    insta::assert_snapshot!(text("\0"), @"the NVIDIA driver rejects the kernels: CUDA_ERROR_INVALID_PTX, it contains a zero byte; update the driver");
    let module = card.module(PTX).unwrap();
    let error = module.kernel("subtract").unwrap_err();
    insta::assert_snapshot!(error, @"the NVIDIA driver failed in cuModuleGetFunction: CUDA_ERROR_NOT_FOUND, named symbol not found");
}

#[test]
#[ignore = "started by the tests above, with a driver"]
fn a_launch_that_cannot_be_is_an_error() {
    let card = Card::open(0).unwrap();
    let (stream, kernel) = (card.stream().unwrap(), add(&card));
    // SAFETY: the launch is refused.
    let error = unsafe { stream.launch(&kernel, [1, 1, 1], 32, 0, &0_u64) }.unwrap_err();
    insta::assert_snapshot!(error, @"the NVIDIA driver rejects the kernels: fake_cuda_add, it takes 16 bytes of arguments, got 8; update the driver");
    let error = kernel.shared(card.shared_per_block() + 1).unwrap_err();
    insta::assert_snapshot!(error, @"the NVIDIA driver failed in cuFuncSetAttribute: CUDA_ERROR_INVALID_VALUE, invalid argument");
    kernel.shared(card.shared_per_block()).unwrap();
}

#[test]
#[ignore = "started by the tests above, with a driver"]
fn waiting_in_a_capture_is_an_error() {
    let card = Card::open(0).unwrap();
    let (stream, memory) = (card.stream().unwrap(), card.allocate(4).unwrap());
    let error = Graph::capture(&stream, || stream.synchronize()).unwrap_err().to_string();
    assert!(error.contains("CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"), "{error}");
    // Even where the error is dropped, nothing comes of the capture.
    let swallowed = Graph::capture(&stream, || {
        let _ = stream.synchronize();
        Ok(())
    });
    assert!(swallowed.unwrap_err().to_string().contains("CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"));
    // The stream works as before.
    stream.upload_now(&[1, 2, 3, 4], &memory, 0).unwrap();
    let error = Graph::capture(&stream, || Err(CudaError::NoDevice)).unwrap_err();
    assert_eq!(error, CudaError::NoDevice);
    stream.synchronize().unwrap();
}

#[test]
#[ignore = "started by the tests above, with a driver"]
fn a_failure_of_the_driver_names_the_call() {
    let card = Card::open(0).unwrap();
    let (stream, kernel, memory) = (card.stream().unwrap(), add(&card), card.allocate(4).unwrap());
    queue(&stream, &kernel, memory.address(), 1, 1).unwrap();
    let error = queue(&stream, &kernel, memory.address(), 1, 1).unwrap_err();
    insta::assert_snapshot!(error, @"the NVIDIA driver failed in cuLaunchKernel: CUDA_ERROR_LAUNCH_FAILED, unspecified launch failure");
    stream.synchronize().unwrap();
    stream.synchronize().unwrap();
    let error = stream.synchronize().unwrap_err();
    insta::assert_snapshot!(error, @"the NVIDIA driver failed in cuStreamSynchronize: CUDA_ERROR_ILLEGAL_ADDRESS, an illegal memory access was encountered");
}
