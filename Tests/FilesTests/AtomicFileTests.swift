import FileTestSupport
import Foundation
import Files
import Synchronization
import Testing

@Suite struct AtomicFileTests {
  let folder: ScratchFolder
  let path: String

  init() throws {
    folder = try ScratchFolder()
    path = folder.file("precious")
    try ScratchFolder.put(Array("before".utf8), at: path)
  }

  func expectUntouched() throws {
    #expect(try ScratchFolder.read(path) == Array("before".utf8))
    #expect(try folder.contents() == ["precious"])
  }

  @Test func replacesTheWholeFile() throws {
    try AtomicFile.write("after", to: path)
    #expect(try ScratchFolder.read(path) == Array("after".utf8))
    #expect(try folder.contents() == ["precious"])
  }

  @Test(arguments: [0, 1, 100, 299_999])
  func aFullDiskLeavesTheOldFile(_ room: Int) throws {
    let error = SystemCalls.$current.withValue(.full(after: room)) {
      #expect(throws: FileError.self) {
        try AtomicFile.write([UInt8](repeating: 7, count: 300_000), to: path)
      }
    }
    #expect(error?.isDiskFull == true)
    #expect(error?.description.contains("Free some space") == true)
    #expect(error?.description.contains(path) == true)
    try expectUntouched()
  }

  @Test func aFullDiskStaysFullForWhoGoesOn() throws {
    try SystemCalls.$current.withValue(.full(after: 10)) {
      let file = try AtomicFile(path: path)
      let piece = [UInt8](repeating: 1, count: 1 << 20)
      #expect(throws: FileError.self) { try file.append(piece) }
      #expect(throws: FileError.self) { try file.append(piece) }
      #expect(throws: FileError.self) { try file.finish() }
    }
    try expectUntouched()
  }

  @Test func interruptionsAndPartialWritesGoOn() throws {
    var calls = SystemCalls.real
    let turn = Mutex(0)
    calls.write = { descriptor, bytes, size in
      let odd = turn.withLock { turn in
        turn += 1
        return turn % 2 == 1
      }
      if odd {
        errno = EINTR
        return -1
      }
      return SystemCalls.real.write(descriptor, bytes, min(size, 1000))
    }
    let bytes = (0..<5000).map { UInt8(truncatingIfNeeded: $0) }
    try SystemCalls.$current.withValue(calls) { try AtomicFile.write(bytes, to: path) }
    #expect(try ScratchFolder.read(path) == bytes)
  }

  @Test func failingSyncAndRenameLeaveTheOldFile() throws {
    var sync = SystemCalls.real
    sync.sync = { _ in
      errno = EIO
      return -1
    }
    var rename = SystemCalls.real
    rename.rename = { _, _ in
      errno = EACCES
      return -1
    }
    for calls in [sync, rename] {
      SystemCalls.$current.withValue(calls) {
        _ = #expect(throws: FileError.self) { try AtomicFile.write("after", to: path) }
      }
      try expectUntouched()
    }
  }

  @Test func theFileIsSyncedBeforeItIsRenamedAndTheFolderAfter() throws {
    let log = Mutex<[String]>([])
    var calls = SystemCalls.real
    calls.sync = { descriptor in
      var status = stat()
      fstat(descriptor, &status)
      log.withLock { $0.append(status.st_mode & S_IFMT == S_IFDIR ? "folder" : "file") }
      return 0
    }
    calls.rename = { from, to in
      log.withLock { $0.append("rename") }
      return SystemCalls.real.rename(from, to)
    }
    try SystemCalls.$current.withValue(calls) { try AtomicFile.write("after", to: path) }
    #expect(log.withLock { $0 } == ["file", "rename", "folder"])
  }

  @Test func whatCanBeMadeAgainIsNotSynced() throws {
    var calls = SystemCalls.real
    calls.sync = { _ in
      errno = EIO
      return -1
    }
    try SystemCalls.$current.withValue(calls) {
      let file = try AtomicFile(path: path, isDurable: false)
      try file.append(Array("after".utf8))
      #expect(try folder.contents() == [".precious.partial", "precious"])
      try file.finish()
    }
    #expect(try ScratchFolder.read(path) == Array("after".utf8))
    #expect(try folder.contents() == ["precious"])
  }

  /// The new file is there when the folder's sync fails: whoever says otherwise sends its user astray.
  @Test func aFolderThatCannotBeSyncedIsNoLoss() throws {
    var calls = SystemCalls.real
    calls.sync = { descriptor in
      var status = stat()
      fstat(descriptor, &status)
      guard status.st_mode & S_IFMT == S_IFDIR else { return 0 }
      errno = EIO
      return -1
    }
    let error = SystemCalls.$current.withValue(calls) {
      #expect(throws: FileError.self) { try AtomicFile.write("after", to: path) }
    }
    #expect(error?.isInPlace == true)
    #expect(error?.description.contains("is written") == true)
    #expect(try ScratchFolder.read(path) == Array("after".utf8))
    #expect(try folder.contents() == ["precious"])
  }

  @Test(arguments: [240, 247, 248, 255]) func namesMayBeAsLongAsTheSystemAllows(
    _ length: Int
  ) throws {
    let long = folder.file(String(repeating: "n", count: length - 3) + "\u{E9}x")
    do { try AtomicFile(path: long).append([1]) }
    try expectUntouched()
    try AtomicFile.write("long", to: long)
    #expect(try ScratchFolder.read(long) == Array("long".utf8))
    #expect(try folder.contents().count == 2)
  }

  @Test func aPartnerThatIsInPlaceKeepsThePartialFile() throws {
    var calls = SystemCalls.real
    calls.rename = { _, _ in
      errno = EACCES
      return -1
    }
    try SystemCalls.$current.withValue(calls) {
      let file = try AtomicFile(path: path)
      try file.append(Array("after".utf8))
      #expect(throws: FileError.self) { try file.finish(keepingPartial: true) }
      #expect(!file.isInPlace)
    }
    #expect(try ScratchFolder.read(path) == Array("before".utf8))
    #expect(try ScratchFolder.read(path + ".partial") == Array("after".utf8))
  }

  @Test func cancelledAndForgottenFilesVanish() throws {
    let file = try AtomicFile(path: path)
    try file.append(Array("half".utf8))
    #expect(try folder.contents() == ["precious", "precious.partial"])
    file.cancel()
    try expectUntouched()
    do { try AtomicFile(path: path).append([1]) }
    try expectUntouched()
  }

  @Test func theSecondOfTwoWritersIsTold() throws {
    let first = try AtomicFile(path: path)
    #expect(throws: FileError(.write, path, .busy)) { try AtomicFile(path: path) }
    try first.append(Array("first".utf8))
    try first.finish()
    try AtomicFile.write("second", to: path)
    #expect(try ScratchFolder.read(path) == Array("second".utf8))
  }

  @Test func whatAKilledWriterLeftIsOverwritten() throws {
    try ScratchFolder.put([UInt8](repeating: 9, count: 1000), at: path + ".partial")
    try AtomicFile.write("after", to: path)
    #expect(try ScratchFolder.read(path) == Array("after".utf8))
    #expect(try folder.contents() == ["precious"])
  }

  @Test func linksAreFollowedAndPermissionsKept() throws {
    let link = folder.file("link")
    #expect(symlink("precious", link) == 0)
    #expect(chmod(path, 0o640) == 0)
    try AtomicFile.write("after", to: link)
    #expect(try ScratchFolder.read(path) == Array("after".utf8))
    var status = stat()
    #expect(lstat(link, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK)
    #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o640)
  }

  @Test func missingFoldersAndFoldersAreExplained() throws {
    let nowhere = folder.file("no/such/file")
    let error = #expect(throws: FileError.self) { try AtomicFile(path: nowhere) }
    #expect(error?.isMissing == true)
    #expect(error?.description.contains("Create the folder it lies in first") == true)
    for path in [folder.path, folder.path + "/", "", "/dev/null"] {
      #expect(throws: FileError(.write, path, .notARegularFile)) { try AtomicFile(path: path) }
    }
    try expectUntouched()
  }
}
