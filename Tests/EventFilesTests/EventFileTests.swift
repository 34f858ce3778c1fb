import Files
import EventFiles
import FileTestSupport
import Foundation
import Testing

@Suite struct EventFileTests {
  let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  private func open(keepingSteps steps: Int? = nil, at time: Double = 1_700_000_000.25) throws
    -> EventFile
  {
    try EventFile(folder: folder.path, keepingSteps: steps, clock: { time })
  }

  @Test func theFirstEventsAreTheVersionAndTheStart() throws {
    let file = try open()
    let events = try EventFileReader(path: file.path).events()
    #expect(events.count == 2)
    #expect(events[0].double(1) == 1_700_000_000.25)
    #expect(events[0].integer(2) == 0)
    #expect(events[0].text(3) == "brain.Event:2")
    #expect(events[1].integer(2) == 0)
    #expect(try events[1].messages(7).first?.integer(1) == 1)
    #expect(try folder.contents().map { folder.file($0) } == [file.path])
    #expect(file.path.hasPrefix(folder.file("events.out.tfevents.1700000000.")))
  }

  @Test func scalarsOfAStepShareARecord() throws {
    let file = try open()
    try file.scalars(
      [("loss", 0.1), ("codes/usage", -0.0), ("nan", .nan), ("large", 1e300)], step: 1 << 40)
    let event = try #require(try EventFileReader(path: file.path).events().last)
    #expect(event.integer(2) == 1 << 40)
    let values = try #require(try event.messages(5).first).messages(1)
    #expect(values.map { $0.text(1) } == ["loss", "codes/usage", "nan", "large"])
    #expect(values[0].float(2) == 0.1)
    #expect(values[1].float(2)?.sign == .minus)
    #expect(values[2].float(2)?.isNaN == true)
    #expect(values[3].float(2) == .infinity)
  }

  @Test func histogramsKeepDoublePrecision() throws {
    let file = try open()
    let histogram = Histogram(of: [0.1, 0.2, 0.7], buckets: 2)
    try file.histogram("norms", histogram, step: 3)
    let event = try #require(try EventFileReader(path: file.path).events().last)
    let value = try #require(try event.messages(5).first?.messages(1).first)
    #expect(value.text(1) == "norms")
    let written = try #require(try value.messages(5).first)
    #expect(written.double(1) == 0.1 && written.double(2) == 0.7 && written.double(3) == 3)
    #expect(written.double(4) == histogram.sum && written.double(5) == histogram.sumOfSquares)
    #expect(written.doubles(6) == histogram.limits && written.doubles(7) == [2, 1])
  }

  @Test func imagesKeepTheirBytes() throws {
    let file = try open()
    let png = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 * 7) }
    try file.image("samples", png: png, width: 640, height: 480, step: 9)
    let event = try #require(try EventFileReader(path: file.path).events().last)
    let value = try #require(try event.messages(5).first?.messages(1).first)
    let image = try #require(try value.messages(4).first)
    #expect(image.integer(1) == 480 && image.integer(2) == 640 && image.integer(3) == 3)
    #expect(image.bytes(4) == png)
  }

  @Test func aResumedRunSaysWhereItStarts() throws {
    let events = try EventFileReader(path: open(keepingSteps: 100).path).events()
    #expect(events.count == 2)
    #expect(events[1].integer(2) == 101)
    #expect(try events[1].messages(7).first?.integer(1) == 1)
  }

  @Test func everyEventTellsItsTime() throws {
    var time = 5.0
    let file = try EventFile(folder: folder.path) {
      time += 1
      return time
    }
    try file.scalars([("a", 1)], step: 1)
    try file.scalars([("a", 1)], step: 2)
    let times = try EventFileReader(path: file.path).events().map { $0.double(1) }
    #expect(times == [7, 8, 9, 10])
  }

  @Test func everyNameComesAfterThoseThatAreThere() throws {
    try folder.write([], to: "events.out.tfevents.99999999999999999999999.elsewhere")
    try folder.write([], to: "events.out.tfevents.x")
    // Nothing comes after the last second that ten digits tell: that file is passed over, each time.
    for second in 1_700_000_000...1_700_000_002 {
      #expect(try open().path.contains("tfevents.\(second)."))
    }
    for name in try folder.contents() {
      try FileManager.default.removeItem(atPath: folder.file(name))
    }
    // The second has the first's second; before the third the clock was set back.
    let files = [try open(), try open(), try open(at: 1_600_000_000), try open(at: 1_800_000_000)]
    let names = files.map { $0.path.split(separator: "/").last! }
    #expect(names == names.sorted())
    #expect(Set(names).count == 4)
    #expect(
      names.map { $0.split(separator: ".")[3] }
        == ["1700000000", "1700000001", "1700000002", "1800000000"])
  }

  @Test func aFileCutAnywhereReadsUpToTheLastWholeRecord() throws {
    let file = try open()
    for step in 1...3 { try file.scalars([("loss", Double(step))], step: step) }
    let bytes = try ScratchFolder.read(file.path)
    let whole = try EventFileReader(bytes).messages
    #expect(whole.count == 5)
    var ends = [0]
    for message in whole { ends.append(ends.last! + message.count + 16) }
    for cut in 0...bytes.count {
      let reader = try EventFileReader(Array(bytes.prefix(cut)))
      let count = ends.lastIndex { $0 <= cut }!
      #expect(reader.messages == Array(whole.prefix(count)))
      #expect(reader.bytesLeft == cut - ends[count])
    }
  }
}
