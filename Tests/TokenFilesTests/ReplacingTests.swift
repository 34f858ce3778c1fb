import FileTestSupport
import Files
import Foundation
import Synchronization
import Testing
import TokenFiles

/// Old tokens and new ones: at whatever point a writer ends, one of the two is read as a whole.
@Suite struct ReplacingTests {
  let folder: ScratchFolder
  let identity = Samples.identity(codes: 300)

  init() throws { folder = try ScratchFolder() }

  private struct Stopped: Error {}

  /// Calls of which the `number`-th sync or rename, counted from 1, fails.
  private func calls(failingAt number: Int, _ done: @escaping @Sendable () -> Void) -> SystemCalls {
    var calls = SystemCalls.real
    let count = Mutex(0)
    let isDue: @Sendable () -> Bool = {
      let now = count.withLock { count in
        count += 1
        return count
      }
      if now >= number { done() }
      return now == number
    }
    calls.sync = { descriptor in
      if isDue() {
        errno = EIO
        return -1
      }
      return SystemCalls.real.sync(descriptor)
    }
    calls.rename = { from, to in
      if isDue() {
        errno = EIO
        return -1
      }
      return SystemCalls.real.rename(from, to)
    }
    return calls
  }

  /// Each failure leaves a pair that reads as the old images or as the new ones, and its error says
  /// which of them.
  @Test(arguments: [TokenFormat.npy, .bin, .safetensors])
  func aFailureLeavesAPairThatBelongsTogether(_ format: TokenFormat) throws {
    let path = folder.file("t.\(format)")
    let old = Samples.uniform(2, identity)
    var new = old
    // The same shape: only the checksum tells the pairs apart.
    for index in new.indices { new[index].tokens.reverse() }
    var number = 1
    var seen: Set<Bool> = []
    while true {
      try Samples.write(old, to: path, format, identity)
      let reached = Mutex(false)
      let calls = calls(failingAt: number) { reached.withLock { $0 = true } }
      var failure: TokenFileError?
      SystemCalls.$current.withValue(calls) {
        do { try Samples.write(new, to: path, format, identity) } catch {
          failure = error as? TokenFileError
        }
      }
      guard reached.withLock({ $0 }) else { break }
      let found = try TokenFile.open(path: path).records
      #expect(found == old || found == new, "point \(number)")
      seen.insert(found == new)
      // For whoever reads the two files without looking further: never a pair that is none.
      let sidecar = folder.file("t.\(format).json")
      if FileManager.default.fileExists(atPath: sidecar) {
        let text = String(decoding: try ScratchFolder.read(sidecar), as: UTF8.self)
        var sum = Fingerprint.Stream()
        let bytes = try ScratchFolder.read(path)
        let ids = bytes.suffix(old.reduce(0) { $0 + $1.tokens.count } * 2)
        Array(ids).withUnsafeBytes { sum.add($0) }
        #expect(text.contains(Fingerprint.hexadecimal(sum.value)), "point \(number)")
      }
      switch failure {
      case .halfReplaced(path, _, let partial, _)?:
        #expect(found == new)
        #expect(FileManager.default.fileExists(atPath: partial))
      case .file(let error)?: #expect(error.isInPlace == (found == new), "point \(number)")
      default: Issue.record("point \(number): \(String(describing: failure))")
      }
      number += 1
      // The next writer finds nothing in its way, and leaves nothing but its own.
      try Samples.write(old, to: path, format, identity)
      #expect(
        try folder.contents()
          == [format == .safetensors ? [] : ["t.\(format).json"], ["t.\(format)"]].flatMap(\.self)
          .sorted())
    }
    #expect(number > 3)
    #expect(seen == [false, true])
  }

  /// The same for a writer that is killed: nothing is cleaned up behind it.
  @Test func aKillBetweenTheTwoRenamesLeavesTheNewPair() async throws {
    let path = folder.file("t.npy")
    try Samples.write(Samples.uniform(3, identity), to: path, .npy, identity)
    await #expect(processExitsWith: .signal(SIGKILL)) { [path = path as String] in
      let identity = Samples.identity(codes: 300)
      var calls = SystemCalls.real
      calls.rename = { from, to in
        if to.hasSuffix(".json") { kill(getpid(), SIGKILL) }
        return SystemCalls.real.rename(from, to)
      }
      try SystemCalls.$current.withValue(calls) {
        _ = try Samples.write(Samples.uniform(5, identity), to: path, .npy, identity)
      }
    }
    #expect(try TokenFile.open(path: path).records == Samples.uniform(5, identity))
    // And the next writer cleans up.
    try Samples.write(Samples.uniform(4, identity), to: path, .npy, identity)
    #expect(try TokenFile.open(path: path).records == Samples.uniform(4, identity))
    #expect(!FileManager.default.fileExists(atPath: folder.file("t.npy.json.partial")))
  }

  private func writer(
    _ format: TokenFormat, shard: Int? = nil, resume: Bool = false, replace: Bool = false
  ) throws -> TokenWriter {
    try TokenWriter(
      path: folder.file("t.\(format)"), format: format, identity: identity,
      recipe: Samples.recipe, shard: shard, resume: resume, replace: replace)
  }

  @Test(arguments: TokenFormat.allCases, [nil, 2, 3] as [Int?])
  func piecesStayUntilTheirSuccessorsAreComplete(_ format: TokenFormat, shard: Int?) throws {
    let old = Samples.mixed(7, identity)
    let new = Samples.uniform(5, identity)
    let path = folder.file("t.\(format)")
    try Samples.write(old, to: path, format, identity, shard: 2)
    do {
      let stopped = try writer(format, shard: shard, replace: true)
      for record in new.dropLast() { try stopped.append(record) }
      #expect(try TokenFile.open(path: path).records == old)
    }
    #expect(try TokenFile.open(path: path).records == old)
    let second = try writer(format, shard: shard, replace: true)
    for record in new { try second.append(record) }
    let files = try second.finish()
    #expect(try TokenFile.open(path: path).records == new)
    let names = files.map { String($0.dropFirst(folder.path.count + 1)) }
    #expect(try folder.contents() == names.sorted())
  }

  @Test func anInterruptedReplacementIsResumed() throws {
    let old = Samples.mixed(7, identity)
    let new = Samples.uniform(7, identity)
    try Samples.write(old, to: folder.file("t.npy"), .npy, identity, shard: 2)
    do {
      let stopped = try writer(.npy, shard: 2, replace: true)
      for record in new[..<5] { try stopped.append(record) }
    }
    let resumed = try writer(.npy, shard: 2, resume: true)
    #expect(resumed.finishedPaths.count == 4)
    #expect(try TokenFile.open(path: folder.file("t.npy")).records == old)
    for record in new[4...] { try resumed.append(record) }
    _ = try resumed.finish()
    #expect(try TokenFile.open(path: folder.file("t.npy")).records == new)
    #expect(try folder.contents().allSatisfy { !$0.contains("new") && !$0.contains("swap") })
  }

  /// Once the new pieces count, a stop between any two renames leaves them readable, and whoever
  /// writes next ends the swap.
  @Test(arguments: TokenFormat.allCases) func aStoppedSwapReadsAsNew(_ format: TokenFormat) throws {
    let old = Samples.mixed(9, identity)
    let new = Samples.uniform(5, identity)
    let path = folder.file("t.\(format)")
    var number = 1
    var states: Set<Bool> = []
    while true {
      try Samples.write(old, to: path, format, identity, shard: 2)
      let reached = Mutex(false)
      let calls = calls(failingAt: number) { reached.withLock { $0 = true } }
      SystemCalls.$current.withValue(calls) {
        do {
          let writer = try writer(format, shard: 2, replace: true)
          for record in new { try writer.append(record) }
          _ = try writer.finish()
        } catch {}
      }
      let found = try TokenFile.open(path: path).records
      #expect(found == old || found == new, "point \(number)")
      if FileManager.default.fileExists(atPath: folder.file("t.\(format).swap")) {
        #expect(found == new)
        states.insert(true)
        // By the first piece's name too.
        #expect(try TokenFile.open(path: folder.file("t-00001.\(format)")).records == new)
        _ = try writer(format, shard: 2, resume: true).finish()
        #expect(try TokenFile.open(path: path).records == new)
        #expect(try folder.contents().allSatisfy { !$0.contains("new") && !$0.contains("swap") })
      }
      for name in try folder.contents() {
        try FileManager.default.removeItem(atPath: folder.file(name))
      }
      guard reached.withLock({ $0 }) else { break }
      number += 1
    }
    #expect(states == [true])
  }

  @Test(arguments: TokenFormat.allCases)
  func twoWritersOfOneOutputExcludeEachOther(_ format: TokenFormat) throws {
    let first = try writer(format, shard: 2)
    for shard in [2, nil] {
      #expect(
        throws: TokenFileError.file(FileError(.write, folder.file("t.\(format)"), .busy))
      ) { try writer(format, shard: shard) }
    }
    try first.append(Samples.record(0, identity))
    _ = try first.finish()
    // Free again although the first one is still held.
    _ = try writer(format, shard: 2, resume: true).finish()
    withExtendedLifetime(first) {}
  }

  /// npy and bin lie side by side, each with a JSON file of its own.
  @Test func piecesOfAnotherFormatAreNotReplaced() throws {
    let (three, five) = (Samples.uniform(3, identity), Samples.uniform(5, identity))
    try Samples.write(three, to: folder.file("t"), .npy, identity, shard: 2)
    try Samples.write(five, to: folder.file("t"), .bin, identity, shard: 2)
    #expect(try TokenFile.open(path: folder.file("t.npy")).records == three)
    #expect(try TokenFile.open(path: folder.file("t.bin")).records == five)
    try Samples.write(three, to: folder.file("s.npy"), .npy, identity)
    try Samples.write(five, to: folder.file("s.bin"), .bin, identity)
    #expect(try TokenFile.open(path: folder.file("s.npy")).records == three)
    #expect(try TokenFile.open(path: folder.file("s.bin.json")).records == five)
    let npy = try writer(.npy, shard: 2, resume: true)
    #expect(
      throws: TokenFileError.file(FileError(.write, folder.file("t.bin"), .busy))
    ) { try writer(.bin, shard: 2) }
    withExtendedLifetime(npy) {}
  }
}
