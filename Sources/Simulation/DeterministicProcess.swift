import CPlatform
import Glibc

extension Simulation {
  /// The first line of a program that simulates: starts the program again, once, so that Swift's hashing has no random
  /// seed and addresses are the same in every run. Where the system refuses fixed addresses it goes on without.
  public nonisolated static func makeProcessDeterministic() {
    let mark = "SWIFT_DETERMINISTIC_HASHING"
    let hashes = getenv(mark) != nil
    if hashes, platform_keep_addresses_fixed() <= 0 { return }
    _ = platform_keep_addresses_fixed()
    setenv(mark, "1", 1)
    // A process that ends after a second need not give memory back.
    setenv(
      "GLIBC_TUNABLES",
      "glibc.malloc.tcache_count=4000:glibc.malloc.trim_threshold=1073741824:glibc.malloc.top_pad=67108864"
        + ":glibc.malloc.mmap_threshold=134217728", 0)
    var arguments: [UnsafeMutablePointer<CChar>?] = CommandLine.arguments.map { strdup($0) }
    arguments.append(nil)
    execv("/proc/self/exe", arguments)
  }
}
