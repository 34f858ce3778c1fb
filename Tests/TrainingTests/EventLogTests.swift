import Files
import Configuration
import FileTestSupport
import Foundation
import Testing
import Training

/// What TensorBoard itself reads of a run: the numbers of its journal, and its pictures.
@Suite(.enabled(if: PythonPeer.tensorboard.isHere, "\(PythonPeer.tensorboard.absence)"))
struct EventLogTests {
  private static let script = """
    import json, sys
    from tensorboard.backend.event_processing import plugin_event_accumulator
    from tensorboard.util import tensor_util
    accumulator = plugin_event_accumulator.EventAccumulator(
        sys.argv[1], size_guidance={"tensors": 0})
    accumulator.Reload()
    found = {}
    for tag in accumulator.Tags()["tensors"]:
        plugin = accumulator.SummaryMetadata(tag).plugin_data.plugin_name
        events = accumulator.Tensors(tag)
        values = [float(tensor_util.make_ndarray(e.tensor_proto)) if plugin == "scalars" else 0
            for e in events]
        found[plugin + " " + tag] = {"steps": [e.step for e in events], "values": values}
    print("\\n" + json.dumps(found))
    """

  private struct Series: Decodable {
    let steps: [Int]
    let values: [Double]
  }

  @Test func theEventsOfAResumedRunAreItsJournal() throws {
    let small = try SmallRun()
    let run = SmallRun.averaged(data: small.data)
    let folder = small.folder("run")
    // It stops after step 5, where its journal and its events have lines that are then voided.
    try SmallRun.train(run, in: folder, stoppingAfter: 5)
    try SmallRun.train(run, in: folder, isResuming: true)
    let output = try PythonPeer.tensorboard.run(script: Self.script, [folder])
    let line = try #require(output.split(separator: "\n").last)
    let found = try JSONDecoder().decode([String: Series].self, from: Data(line.utf8))

    var expected: [String: [(step: Int, value: Double)]] = [:]
    func collect(_ object: JSONObject, _ path: String, _ step: Int) {
      for member in object.members where !["kind", "step"].contains(member.key) {
        let tag = path + "/" + member.key
        switch member.value {
        case .object(let inner): collect(inner, tag, step)
        case .integer(let value): expected[tag, default: []].append((step, Double(value)))
        case .number(let value): expected[tag, default: []].append((step, value))
        default: break
        }
      }
    }
    for line in Journal.lines(folder: folder) {
      guard case .string(let kind)? = line["kind"], case .integer(let step)? = line["step"] else {
        continue
      }
      // What happened, and when, is no course of numbers.
      if kind != "run" { collect(line, kind, step) }
    }
    #expect(expected.count > 100)
    for (tag, points) in expected {
      let series = try #require(found["scalars " + tag], "\(tag) is not there")
      #expect(series.steps == points.map(\.step), "\(tag)")
      for (value, point) in zip(series.values, points) {
        #expect(abs(value - point.value) <= 1e-6 * abs(point.value), "\(tag)")
      }
    }
    #expect(found["scalars spectra/entropyRank/encoder.conv_in"]?.steps == [4, 8, 10])
    #expect(found["images samples"]?.steps == [4, 8, 10])
    #expect(found["histograms codes/uses"]?.steps == [2, 4, 6, 8, 10])
    #expect(found["histograms cosines/tensorCosines"]?.steps == [2, 4, 6, 8, 10])
  }
}
