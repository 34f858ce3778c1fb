import EventFiles
import FileTestSupport
import Foundation
import Testing

/// What TensorBoard itself reads.
///
/// It turns all values into tensors, as it does before it shows them.
@Suite(.enabled(if: PythonPeer.tensorboard.isHere, "\(PythonPeer.tensorboard.absence)"))
struct TensorBoardTests {
  let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  /// A tag's plugin and its values by step: numbers flattened, bytes in base64.
  private struct Series: Decodable {
    let plugin: String
    let times: [Double]
    let steps: [Int]
    let shapes: [[Int]]
    let numbers: [[Double]]
    let bytes: [[String]]
  }

  private static let script = """
    import base64, json, sys
    from tensorboard.backend.event_processing import plugin_event_accumulator
    from tensorboard.util import tensor_util
    accumulator = plugin_event_accumulator.EventAccumulator(
        sys.argv[1], size_guidance={"tensors": 0})
    accumulator.Reload()
    found = {}
    for tag in accumulator.Tags()["tensors"]:
        events = accumulator.Tensors(tag)
        arrays = [tensor_util.make_ndarray(event.tensor_proto) for event in events]
        isText = arrays[0].dtype == object
        found[tag] = {
            "plugin": accumulator.SummaryMetadata(tag).plugin_data.plugin_name,
            "times": [event.wall_time for event in events],
            "steps": [event.step for event in events],
            "shapes": [list(array.shape) for array in arrays],
            # Numbers that JSON has no word for are told by one that no test uses.
            "numbers": [[] if isText else
                [-12345 if v != v else max(min(float(v), 1e308), -1e308) for v in array.flat]
                for array in arrays],
            "bytes": [[base64.b64encode(v).decode() for v in array.flat] if isText else []
                for array in arrays],
        }
    print("\\n" + json.dumps(found))
    """

  private func read() throws -> [String: Series] {
    let output = try PythonPeer.tensorboard.run(script: Self.script, [folder.path])
    // Warnings may precede it.
    let line = try #require(output.split(separator: "\n").last)
    return try JSONDecoder().decode([String: Series].self, from: Data(line.utf8))
  }

  @Test func scalarsArrive() throws {
    var time = 1_700_000_000.5
    let file = try EventFile(folder: folder.path) {
      time += 1
      return time
    }
    for step in 0...2 {
      try file.scalars([("loss", Double(step) / 8), ("codes/usage – α", 1)], step: step)
    }
    try file.scalars([("loss", .nan), ("more", .infinity)], step: 3)
    try file.scalars([("loss", -.infinity)], step: 5_000_000_000)
    let found = try read()
    #expect(found.keys.sorted() == ["codes/usage – α", "loss", "more"])
    #expect(found.values.allSatisfy { $0.plugin == "scalars" })
    let loss = try #require(found["loss"])
    #expect(loss.steps == [0, 1, 2, 3, 5_000_000_000])
    #expect(loss.numbers == [[0], [0.125], [0.25], [-12345], [-1e308]])
    #expect(loss.times == (0..<5).map { 1_700_000_004.5 + Double($0) })
    #expect(found["more"]?.numbers == [[1e308]])
  }

  @Test func histogramsArriveBucketByBucket() throws {
    let file = try EventFile(folder: folder.path)
    let spread = Histogram(of: [-1, -0.5, -0.5, 0.25, 3], buckets: 8)
    let counted = Histogram(edges: [0, 1, 2, 4, 8], counts: [0, 3, 0, 2])
    try file.histogram("spread", spread, step: 1)
    try file.histogram("spread", counted, step: 2)
    try file.histogram("spread", Histogram(of: [7, 7]), step: 3)
    try file.histogram("spread", Histogram(of: []), step: 4)
    let found = try #require(try read()["spread"])
    #expect(found.plugin == "histograms")
    #expect(found.shapes == [[8, 3], [3, 3], [1, 3], [0, 3]])
    #expect(
      found.numbers == [
        [
          [-1, -0.5, 1], [-0.5, 0, 2], [0, 0.5, 1], [0.5, 1, 0], [1, 1.5, 0], [1.5, 2, 0],
          [2, 2.5, 0], [2.5, 3, 1],
        ].flatMap { $0 },
        [1, 2, 3, 2, 4, 0, 4, 8, 2], [7, 7, 2], [],
      ])
  }

  @Test func imagesArriveByteByByte() throws {
    let file = try EventFile(folder: folder.path)
    let png = (0..<5000).map { UInt8(truncatingIfNeeded: $0 * 7) }
    try file.image("samples", png: png, width: 64, height: 48, step: 4)
    let found = try #require(try read()["samples"])
    #expect(found.plugin == "images" && found.steps == [4])
    #expect(
      found.bytes == [
        [Data("64".utf8), Data("48".utf8), Data(png)].map { $0.base64EncodedString() }
      ])
  }

  @Test func aRestartVoidsWhatLiesBeyondIt() throws {
    let first = try EventFile(folder: folder.path)
    for step in 1...5 { try first.scalars([("loss", Double(step)), ("rare", 1)], step: step) }
    let second = try EventFile(folder: folder.path, keepingSteps: 3)
    #expect(try read()["rare"]?.steps == [1, 2, 3])
    for step in 4...6 { try second.scalars([("loss", Double(step) + 10)], step: step) }
    let found = try read()
    #expect(found["loss"]?.steps == [1, 2, 3, 4, 5, 6])
    #expect(found["loss"]?.numbers == [[1], [2], [3], [14], [15], [16]])
    #expect(found["rare"]?.steps == [1, 2, 3])
  }

  @Test func aRunFromTheStartVoidsAllThatWasThere() throws {
    let first = try EventFile(folder: folder.path)
    for step in 0...5 { try first.scalars([("loss", 1)], step: step) }
    let second = try EventFile(folder: folder.path)
    try second.scalars([("loss", 2)], step: 0)
    #expect(try read()["loss"]?.numbers == [[2]])
  }

  @Test func aCutRecordIsPassedOver() throws {
    let first = try EventFile(folder: folder.path)
    for step in 1...3 { try first.scalars([("loss", 1)], step: step) }
    let bytes = try ScratchFolder.read(first.path)
    try ScratchFolder.put(bytes.dropLast(3), at: first.path)
    let second = try EventFile(folder: folder.path, keepingSteps: 2)
    try second.scalars([("loss", 2)], step: 3)
    #expect(try read()["loss"]?.numbers == [[1], [1], [2]])
  }
}
