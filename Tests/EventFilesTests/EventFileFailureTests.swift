import EventFiles
import FileTestSupport
import Foundation
import Files
import Synchronization
import Testing

@Suite struct EventFileFailureTests {
  let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  @Test func aFolderThatIsNotThereIsNamed() throws {
    let missing = folder.file("none")
    let error = #expect(throws: FileError.self) { try EventFile(folder: missing) }
    #expect(error?.isMissing == true)
    #expect(error?.path.hasPrefix(missing + "/events.out.tfevents.") == true)
    #expect(error?.description.contains("Create the folder") == true)
  }

  @Test(arguments: [0, 1, 45, 60])
  func aFileThatCannotBeginIsRemoved(_ room: Int) throws {
    let error = SystemCalls.$current.withValue(.full(after: room)) {
      #expect(throws: FileError.self) { try EventFile(folder: folder.path) }
    }
    #expect(error?.isDiskFull == true)
    #expect(try folder.contents().isEmpty)
  }

  @Test func aRecordThatDoesNotFitIsTakenBack() throws {
    let file = try SystemCalls.$current.withValue(.full(after: 200)) {
      try EventFile(folder: folder.path)
    }
    try file.scalars([("loss", 1)], step: 1)
    let before = try ScratchFolder.read(file.path)
    let png = [UInt8](repeating: 1, count: 1000)
    let error = #expect(throws: FileError.self) {
      try file.image("samples", png: png, width: 2, height: 2, step: 1)
    }
    #expect(error?.isDiskFull == true)
    #expect(error?.path == file.path)
    #expect(error?.description.contains(file.path) == true)
    #expect(try ScratchFolder.read(file.path) == before)
  }

  @Test func recordsFollowOneThatWasTakenBack() throws {
    var calls = SystemCalls.real
    let turn = Mutex(0)
    // The fourth write takes half, the fifth finds the disk full, then there is room again.
    calls.write = { descriptor, bytes, size in
      let now = turn.withLock { turn in
        turn += 1
        return turn
      }
      if now == 5 {
        errno = ENOSPC
        return -1
      }
      return SystemCalls.real.write(descriptor, bytes, now == 4 ? size / 2 : size)
    }
    let file = try SystemCalls.$current.withValue(calls) { try EventFile(folder: folder.path) }
    try file.scalars([("loss", 1)], step: 1)
    #expect(throws: FileError.self) { try file.scalars([("loss", 2)], step: 2) }
    try file.scalars([("loss", 3)], step: 3)
    let reader = try EventFileReader(path: file.path)
    #expect(try reader.events().map { $0.integer(2) } == [0, 0, 1, 3])
    #expect(reader.bytesLeft == 0)
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
      return SystemCalls.real.write(descriptor, bytes, min(size, 5))
    }
    let file = try SystemCalls.$current.withValue(calls) { try EventFile(folder: folder.path) }
    try file.scalars([("loss", 1)], step: 1)
    #expect(try EventFileReader(path: file.path).messages.count == 3)
  }
}
