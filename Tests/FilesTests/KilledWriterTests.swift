import FileTestSupport
import Foundation
import Files
import Testing

/// Real deaths of real processes: nothing here is injected.
@Suite struct KilledWriterTests {
  let folder: ScratchFolder
  let path: String

  init() throws {
    folder = try ScratchFolder()
    path = folder.file("precious")
    try ScratchFolder.put(Array("before".utf8), at: path)
  }

  @Test func aKilledWriterLeavesTheOldFile() async throws {
    await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
      let file = try AtomicFile(path: path)
      try file.append([UInt8](repeating: 7, count: 1 << 20))
      kill(getpid(), SIGKILL)
    }
    #expect(try ScratchFolder.read(path) == Array("before".utf8))
    try AtomicFile.write("after", to: path)
    #expect(try ScratchFolder.read(path) == Array("after".utf8))
    #expect(try folder.contents() == ["precious"])
  }

  @Test func aLimitOnFileSizesIsAnErrorAndLeavesTheOldFile() async throws {
    await #expect(processExitsWith: .success) { [path = path as String] in
      signal(SIGXFSZ, SIG_IGN)
      var limit = rlimit(rlim_cur: 100_000, rlim_max: 100_000)
      #if canImport(Glibc)
        let resource = __rlimit_resource_t(RLIMIT_FSIZE.rawValue)
      #else
        let resource = RLIMIT_FSIZE
      #endif
      guard setrlimit(resource, &limit) == 0 else { exit(2) }
      do throws(FileError) {
        try AtomicFile.write([UInt8](repeating: 7, count: 1 << 20), to: path)
        exit(3)
      } catch {
        exit(error == FileError(.write, path, .system(EFBIG)) ? 0 : 4)
      }
    }
    #expect(try ScratchFolder.read(path) == Array("before".utf8))
    #expect(try folder.contents() == ["precious"])
  }
}
