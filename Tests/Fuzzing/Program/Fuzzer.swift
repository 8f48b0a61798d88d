#if FUZZING
  import FuzzTargets
  import Glibc

  // The program is libFuzzer's, built with `--sanitize=fuzzer -Xswiftc -DFUZZING`. The variable `THESEUS_FUZZ_TARGET` says
  // what it calls, because the processes that libFuzzer starts for itself inherit it; `--list` names the targets.

  private let target: FuzzTarget = {
    let name = getenv("THESEUS_FUZZ_TARGET").map { String(cString: $0) } ?? ""
    if name == "--list" {
      for target in FuzzTarget.all + FuzzTarget.planted { InputFile.say(target.name) }
      exit(0)
    }
    guard let target = FuzzTarget.named(name) else {
      InputFile.say("THESEUS_FUZZ_TARGET: there is no target \"\(name)\"")
      exit(2)
    }
    return target
  }()

  @_cdecl("LLVMFuzzerInitialize") public func initialize(
    _: UnsafeMutablePointer<CInt>?, _: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>?
  ) -> CInt {
    _ = target
    return 0
  }

  @_cdecl("LLVMFuzzerTestOneInput") public func testOneInput(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    target.run(Array(UnsafeBufferPointer(start: data, count: size)))
    return 0
  }
#endif
