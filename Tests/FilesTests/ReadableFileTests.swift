import FileTestSupport
import Files
import Foundation
import Testing

@Suite struct ReadableFileTests {
  let folder: ScratchFolder
  let path: String
  let content = (0..<10_000).map { UInt8(truncatingIfNeeded: $0 * 7) }

  init() throws {
    folder = try ScratchFolder()
    path = folder.file("data")
    try ScratchFolder.put(content, at: path)
  }

  @Test func anyPartIsCopied() throws {
    let file = try ReadableFile(path: path)
    #expect(file.byteCount == content.count)
    for range in [0..<0, 0..<1, 17..<4711, 9999..<10_000, 0..<10_000] {
      #expect(try file.bytes(range) == Array(content[range]))
    }
    #expect(try ReadableFile.contents(of: path) == content)
  }

  @Test func aFileThatIsCutMeanwhileIsAnError() throws {
    let file = try ReadableFile(path: path)
    #expect(truncate(path, 5000) == 0)
    #expect(try file.bytes(0..<5000) == Array(content[..<5000]))
    #expect(throws: FileError(.read, path, .cutShort)) { try file.bytes(4999..<5001) }
    #expect(throws: FileError(.read, path, .cutShort)) { try file.bytes(9000..<9001) }
  }

  @Test func aFileThatWasReplacedIsReadAsItWas() throws {
    let file = try ReadableFile(path: path)
    try AtomicFile.write("another", to: path)
    #expect(try file.bytes(0..<10) == Array(content[..<10]))
    // Once it was let go of, it is gone.
    file.release()
    #expect(throws: FileError(.read, path, .replaced)) { try file.bytes(0..<10) }
  }

  @Test func aReleasedFileOpensAgain() throws {
    let file = try ReadableFile(path: path)
    file.release()
    file.release()
    #expect(try file.bytes(5..<9) == Array(content[5..<9]))
    try FileManager.default.removeItem(atPath: path)
    #expect(try file.bytes(5..<9) == Array(content[5..<9]))
    file.release()
    #expect(throws: FileError(.read, path, .system(ENOENT))) { try file.bytes(5..<9) }
  }

  @Test(.timeLimit(.minutes(10))) func whatIsNoRegularFileIsRefusedAtOnce() throws {
    let pipe = folder.file("pipe")
    #expect(mkfifo(pipe, 0o600) == 0)
    for path in [pipe, folder.path, "/dev/zero", "/dev/null"] {
      #expect(throws: FileError(.read, path, .notARegularFile)) { try ReadableFile(path: path) }
    }
    let nowhere = folder.file("nowhere")
    #expect(throws: FileError(.read, nowhere, .system(ENOENT))) {
      try ReadableFile(path: nowhere)
    }
  }

  @Test func aLimitHoldsBeforeAnythingIsRead() throws {
    #expect(throws: FileError(.read, path, .tooLarge(limit: 9999))) {
      try ReadableFile.contents(of: path, limit: 9999)
    }
    #expect(try ReadableFile.contents(of: path, limit: 10_000).count == 10_000)
  }
}

@Suite struct FileLockTests {
  let folder: ScratchFolder
  let path: String

  init() throws {
    folder = try ScratchFolder()
    path = folder.file("lock")
  }

  @Test func onlyOneHasIt() throws {
    var first: FileLock? = try FileLock(path: path)
    #expect(throws: FileError(.write, path, .busy)) { try FileLock(path: path) }
    #expect(first?.path == path)
    first = nil
    #expect(try folder.contents().isEmpty)
    _ = try FileLock(path: path)
    #expect(try folder.contents().isEmpty)
  }

  @Test func theFileOfAKilledProcessLocksNobodyOut() async throws {
    await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
      let lock = try FileLock(path: path)
      _ = kill(getpid(), SIGKILL)
      withExtendedLifetime(lock) {}
    }
    #expect(try folder.contents() == ["lock"])
    _ = try FileLock(path: path)
    #expect(try folder.contents().isEmpty)
  }

  @Test func aFolderThatIsNotThere() {
    let path = folder.file("no/lock")
    #expect(throws: FileError(.write, path, .system(ENOENT))) { try FileLock(path: path) }
  }
}
