import Files
import Configuration
import Foundation
import Safetensors
import Testing
import Training

/// What becomes of a journal when its run goes on.
struct JournalTests {
  private let small: SmallRun
  private let run: RunConfiguration
  private let folder: String

  private var path: String { folder + "/" + Journal.fileName }

  init() throws {
    small = try SmallRun()
    run = SmallRun.fsq(data: small.data, steps: 6)
    folder = small.folder("run")
    try SmallRun.train(run, in: folder, stoppingAfter: 3)
  }

  private func resume() throws {
    try SmallRun.train(run, in: folder, isResuming: true)
  }

  private func lines(_ bytes: [UInt8]) -> [[UInt8]] {
    bytes.split(separator: 10, omittingEmptySubsequences: false).map(Array.init)
  }

  /// Whatever was written into the file, each line that can be read stays as it is.
  @Test(
    arguments: [
      (prefix: [0xff], suffix: []), ([], [0xff, 0xfe]), ([], Array(repeating: 0, count: 5000)),
      ([], Array(#"{"kind": "step", "st"#.utf8)), (Array("no JSON\n".utf8), []),
      (Array("\r\n\n".utf8), []), ([], Array(#"{"kind":"note","step":1,"text":"ü \" }"}"#.utf8)),
      ([], Array("{\"kind\":\"step\",\"step\":99}\n".utf8)),
      (Array(#"{"text":"{\"step\": 99", "inner": {"step": 99}, "step": 2}"#.utf8) + [10], []),
    ] as [(prefix: [UInt8], suffix: [UInt8])])
  func linesThatCanBeReadStay(_ prefix: [UInt8], _ suffix: [UInt8]) throws {
    let before = try bytes(path)
    try Data(prefix + before + suffix).write(to: URL(fileURLWithPath: path))
    try resume()
    let after = try bytes(path)
    let kept = Set(lines(after))
    // The first line is spoilt where something stands right before it.
    let spoilt = prefix.isEmpty || prefix.last == 10 ? 0 : 1
    #expect(lines(before).dropFirst(spoilt).allSatisfy(kept.contains))
    let text = try #require(String(validating: after, as: UTF8.self))
    for line in text.split(separator: "\n") { _ = try JSONValue(parsing: String(line)) }
    #expect(text.hasSuffix("\n") && !text.contains(#""step":99}"#))
    #expect(text.contains("note") == String(decoding: suffix, as: UTF8.self).contains("note"))
    #expect(text.contains("inner") == String(decoding: prefix, as: UTF8.self).contains("inner"))
    let steps = Journal.lines(folder: folder).filter { $0["kind"] == .string("step") }
    #expect(steps.map { $0["step"] } == (1...6).map { .integer($0) })
    // What cannot be read is put aside, but for the cut end.
    let aside = folder + "/" + Journal.unreadableFileName
    #expect(FileManager.default.fileExists(atPath: aside) == (spoilt == 1 || prefix.count == 8))
  }

  @Test func aJournalThatNothingIsDroppedOfIsLeftAlone() throws {
    let node = try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? Int
    try resume()
    #expect(
      try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? Int == node)
  }

  /// What cannot be read at all is not taken for empty.
  @Test func aJournalThatCannotBeReadIsAnError() throws {
    let before = try bytes(path)
    try FileManager.default.removeItem(atPath: path)
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    #expect(throws: TrainingError.file(FileError(.read, path, .notARegularFile))) { try resume() }
    try FileManager.default.removeItem(atPath: path)
    try Data(before).write(to: URL(fileURLWithPath: path))
    try resume()
  }

  /// Longer than what is read at once.
  @Test func longLinesAndManyLines() throws {
    var before = try bytes(path)
    let long = Array(
      (#"{"step":1,"text":""# + String(repeating: "x", count: 3 << 20) + "\"}\n").utf8)
    before += long
    for index in 0..<40_000 { before += Array(#"{"step":2,"number":\#(index)}"#.utf8) + [10] }
    let dropped = Array(#"{"step":4,"kind":"step"}"#.utf8) + [10]
    try Data(before + dropped).write(to: URL(fileURLWithPath: path))
    try resume()
    #expect(try Array(bytes(path).prefix(before.count)) == before)
  }
}
