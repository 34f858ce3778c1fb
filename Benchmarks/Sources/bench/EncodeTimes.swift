import ArgumentParser
import Foundation
import Imaging
import Reports

/// The `encode` executable: one image from the start of the process to its end, and many files
/// beside the bare network.
struct EncodeTimes: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "encode", abstract: "Measures encode on one image, and on many files.")

  @Option(help: "A folder of images of 32x32 pixels, instead of scenes that are drawn.")
  var data: String?

  @Option(help: "The files to draw, where there is no --data.")
  var images = 10000

  @Option(help: "Times that one image is encoded.")
  var starts = 15

  @OptionGroup var options: BenchOptions

  func run() throws {
    var results = Results(machine: Machine(options))
    for preset in try options.presets(else: [.tiny, .small]) {
      results.single.append(try measureSingle(preset))
    }
    results.many = try measureMany()
    print(table(results))
    print("\n" + results.machine.text)
    try Places.write(results, to: "encode.json")
  }

  private struct Results: Codable {
    let machine: Machine
    var single: [Single] = []
    var many: Many?
  }

  /// One image of 256x256 pixels.
  private struct Single: Codable {
    let preset: Preset
    /// Seconds from start to end, run by run.
    var seconds: [Double] = []
    /// The same for `encode --help`, which starts and ends.
    var startSeconds: [Double] = []
    var peakBytes: Int?
  }

  /// A folder of images of 32x32 pixels, by the tiny network.
  private struct Many: Codable {
    let images: Int
    /// Images a second, the process's start and end included.
    var rates: [Double] = []
    /// Those of the bare network on pixels in memory.
    var bareRates: [Double] = []
    var peakBytes: Int?
  }

  private func encode(_ checkpoint: String, _ path: String) throws -> ChildProcess {
    try ChildProcess(
      Places.executable("encode"),
      [
        "--checkpoint", checkpoint, "--output", Places.scratch("tokens") + "/t.safetensors",
        "--force", "--size", "native", "--threads", String(options.threads), "--quiet", path,
      ])
  }

  private func measureSingle(_ preset: Preset) throws -> Single {
    let checkpoint = try Checkpoints.untrained(preset)
    let folder = try ImageFiles.scenes(size: 256, count: 4, as: .png)
    let image = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()[0]
    var single = Single(preset: preset)
    for round in 0...starts {
      let process = try encode(checkpoint, folder + "/" + image)
      let start = try ChildProcess(Places.executable("encode"), ["--help"])
      if round == 0 { continue }  // the files come into the system's cache
      single.seconds.append(process.seconds)
      single.startSeconds.append(start.seconds)
      single.peakBytes = max(single.peakBytes ?? 0, process.peakBytes ?? 0)
    }
    return single
  }

  private func measureMany() throws -> Many {
    let checkpoint = try Checkpoints.untrained(.tiny)
    let folder = try data ?? ImageFiles.scenes(size: 32, count: images, as: .png)
    var many = Many(images: try ImageFiles.count(folder))
    for round in 1...(options.rounds ?? 3) {
      let process = try encode(checkpoint, folder)
      let bare = try Measure.inAnotherProcess(config: Preset.tiny.path, lanes: options.threads)
      many.rates.append(Double(many.images) / process.seconds)
      many.bareRates.append(bare.imagesPerSecond)
      many.peakBytes = max(many.peakBytes ?? 0, process.peakBytes ?? 0)
      say(
        "round \(round): encode \(Cell.decimals(many.rates.last!, 0)) images/s, the network alone "
          + Cell.decimals(bare.imagesPerSecond, 0))
    }
    return many
  }

  private func table(_ results: Results) -> String {
    var single = MarkdownTable([
      "encode one 256x256 image", "median ms", "slowest ms", "of which start ms", "peak",
    ])
    for row in results.single {
      single.add([
        row.preset.rawValue, Cell.decimals(median(row.seconds) * 1e3, 1),
        Cell.decimals(row.seconds.max()! * 1e3, 1),
        Cell.decimals(median(row.startSeconds) * 1e3, 1), Cell.megabytes(row.peakBytes),
      ])
    }
    var many = MarkdownTable([
      "encode a folder", "images", "images/s", "bare network images/s", "share", "peak",
    ])
    if let row = results.many {
      many.add([
        "tiny", String(row.images), Cell.decimals(median(row.rates), 0),
        Cell.decimals(median(row.bareRates), 0),
        Cell.decimals(median(row.rates) / median(row.bareRates), 2),
        Cell.megabytes(row.peakBytes),
      ])
    }
    return single.text + "\n\n" + many.text
      + "\n\nWall time of the executable, from the start of the process to its end; the bare network "
      + "encodes pixels that are in memory."
  }
}
