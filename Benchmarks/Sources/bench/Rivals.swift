import ArgumentParser
import Configuration
import Datasets
import Foundation
import Imaging
import Reports
import Training

/// Encoding and decoding beside the engines that people use on a CPU, with the same weights, in turns.
struct Rivals: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measures encoding and decoding beside other engines, with the same weights.")

  @Option(help: "Images at once, as a list.")
  var batches = "1,16"

  @OptionGroup var options: BenchOptions

  func validate() throws {
    guard !sizes.isEmpty, sizes.allSatisfy({ $0 > 0 }) else {
      throw ValidationError("--batches: expected numbers such as 1,16, found \(batches)")
    }
  }

  private var sizes: [Int] { batches.split(separator: ",").map { Int($0) ?? 0 } }

  func run() throws {
    guard let python = Torch.find() else {
      throw BenchmarkError(
        "the rivals are read by Python: name one in TESSERA_PYTHON that has torch, numpy and Pillow, "
          + "and onnxruntime, openvino, ncnn and pnnx as far as they are to be measured")
    }
    let engines: [String] = try python.run("rivals.py", ["--list"])
    var results = Results(machine: Machine(options), rows: [])
    for preset in try options.presets(else: Preset.allCases) {
      let material = try Material(preset, count: sizes.max()!)
      for task in Direction.allCases {
        for batch in sizes {
          var row = Row(preset: preset, task: task, batch: batch)
          for round in 1...(options.rounds ?? preset.rounds) {
            try measure(&row, round, engines, python, material)
          }
          results.rows.append(row)
          print(row.text)
        }
      }
    }
    print("\n" + results.table(engines) + "\n\n" + results.machine.text)
    print(results.versions)
    try Places.write(results, to: "rivals.json")
  }

  /// All engines once, in turns.
  private func measure(
    _ row: inout Row, _ round: Int, _ engines: [String], _ python: Torch, _ material: Material
  ) throws {
    let own = try Measure.inAnotherProcess(
      config: row.preset.path, lanes: options.threads, task: row.task, batch: row.batch)
    row.measurements["tessera", default: []].append(own)
    for engine in engines {
      let other: Measurement = try python.run(
        "rivals.py",
        [
          "--engine", engine, "--task", row.task.rawValue, "--batch", String(row.batch),
          "--threads", String(options.threads),
        ] + material.arguments)
      row.measurements[engine, default: []].append(other)
      say(
        "\(row.name) round \(round): \(engine) \(Cell.decimals(other.rate, 2)), Tessera "
          + Cell.decimals(own.rate, 2))
    }
  }

  /// A checkpoint, what it becomes for others, and what it makes of some images.
  private struct Material {
    let arguments: [String]

    init(_ preset: Preset, count: Int) throws {
      let checkpoint = try Checkpoints.untrained(preset)
      let size = try preset.configuration().data.imageSize
      let images = try ImageFiles.scenes(size: size, count: count, as: .png)
      let folder = try Places.emptyScratch("rivals-\(preset.rawValue)")
      let (onnx, ids) = (folder + "/onnx", folder + "/ids.npy")
      let quiet = ["--quiet", "--checkpoint", checkpoint, "--output"]
      _ = try ChildProcess(
        Places.executable("tessera"), ["export", "--to", "onnx"] + quiet + [onnx])
      _ = try ChildProcess(Places.executable("encode"), quiet + [ids, images])
      _ = try ChildProcess(Places.executable("decode"), quiet + [folder + "/decoded", ids])
      arguments = [
        "--checkpoint", checkpoint, "--onnx", onnx, "--images", images, "--ids", ids,
        "--decoded", folder + "/decoded",
      ]
    }
  }

  /// One network, task and batch.
  private struct Row: Codable {
    let preset: Preset
    let task: Direction
    let batch: Int
    /// Round by round.
    var measurements: [String: [Measurement]] = [:]

    var name: String { "\(preset.rawValue) \(task.rawValue) \(batch)" }

    func rate(_ engine: String) -> Double { median(measurements[engine]!.map(\.rate)) }

    /// The median of the ratios within a round.
    func ratio(over engine: String) -> Double {
      median(zip(measurements["tessera"]!, measurements[engine]!).map { $0.rate / $1.rate })
    }

    /// The share of ids or bytes that are Tessera's.
    func equal(_ engine: String) -> Double? { measurements[engine]!.first?.equal }

    /// All numbers as a line.
    var text: String {
      let others = measurements.keys.filter { $0 != "tessera" }.sorted()
      return "\(name): Tessera \(Cell.significant(rate("tessera")))"
        + others.map {
          "; \($0) \(Cell.significant(rate($0))), x\(Cell.decimals(ratio(over: $0), 2))"
        }
        .joined()
    }
  }

  private struct Results: Codable {
    let machine: Machine
    var rows: [Row]

    func table(_ engines: [String]) -> String {
      var table = MarkdownTable(
        ["network", "task", "batch", "Tessera", "x the best exact"] + engines.map { "x \($0)" }
          + ["equal by openvino-default"], textColumns: 2)
      for row in rows {
        let ratios = engines.map { row.ratio(over: $0) }
        // What computes in fewer bits has other ids, and is no rival of the same.
        let exact = zip(engines, ratios).filter { $0.0 != "openvino-default" }.map(\.1)
        table.add(
          [
            row.preset.rawValue, row.task.rawValue, String(row.batch),
            Cell.significant(row.rate("tessera")), Cell.decimals(exact.min(), 2),
          ] + ratios.map { Cell.decimals($0, 2) }
            + [
              engines.contains("openvino-default")
                ? Cell.decimals(row.equal("openvino-default").map { $0 * 100 }, 2) + "%" : ""
            ])
      }
      return table.text
        + """


        Images a second; x is Tessera's rate over the engine's, the median of the ratios within a round. All compute \
        in float32, but for openvino-default, which takes bfloat16 where the processor has it: then so many of its \
        ids, or bytes of pixels, are those of float32. ncnn computes the network alone, without the quantizer.
        """
    }

    var versions: String {
      let all = rows.flatMap { $0.measurements.values.compactMap { $0.first?.version } }
      return Array(Set(all)).sorted().joined(separator: ", ")
    }
  }
}

/// Which way a tokenizer goes.
enum Direction: String, Codable, CaseIterable, ExpressibleByArgument {
  /// Pixels in memory to token ids.
  case encode
  /// Token ids to pixels in memory.
  case decode
}
