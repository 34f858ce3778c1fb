import ArgumentParser
import CPUBackend
import Configuration
import Datasets
import Execution
import Foundation
import Imaging
import Inference
import Tokenizers
import Training

/// Encoding or decoding by the bare network: pixels in memory to token ids or back, no files.
///
/// The weights are those that training starts with; the work does not depend on their values.
final class EncodingMeasurement {
  private let codec: Codec<CPUBackend>
  private let images: [Image]

  /// A codec, and a batch of images of its size.
  ///
  /// - Parameters:
  ///   - run: the network, the size and the batch.
  ///   - lanes: images that are encoded at once.
  ///   - batch: images of a call; those of a training step unless something else is said.
  init(_ run: RunConfiguration, lanes: Int, batch: Int? = nil) {
    let parameters = ParameterMemory(
      Codec<CPUBackend>.parameterLayout(run.tokenizer), on: CPUBackend())
    parameters.initialize(seed: 0)
    codec = Codec(
      run.tokenizer, parameters: parameters, lanes: lanes, pool: LanePool(threads: lanes))
    let side = run.data.imageSize
    var random = SystemRandomNumberGenerator()
    images = (0..<(batch ?? run.training.batchSize)).map { _ in
      let pixels = (0..<(side * side * 3)).map { _ in UInt8.random(in: 0...255, using: &random) }
      return Image(width: side, height: side, pixels: pixels)
    }
  }

  /// Images a second, of the median batch.
  func imagesPerSecond(atLeast seconds: Double = 1, times: Int = 5) throws -> Double {
    _ = try codec.encode(images)
    let median = medianSeconds(atLeast: seconds, times: times) { _ = try! codec.encode(images) }
    return Double(images.count) / median
  }

  /// The same of decoding what the images encode to.
  func decodedImagesPerSecond(atLeast seconds: Double = 1, times: Int = 5) throws -> Double {
    let grids = try codec.encode(images)
    _ = try codec.decode(grids)
    let median = medianSeconds(atLeast: seconds, times: times) { _ = try! codec.decode(grids) }
    return Double(images.count) / median
  }
}

/// One measurement in this process, for a parent that compares; prints a line of JSON.
struct Measure: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measures encoding or decoding in this process.", shouldDisplay: false)

  @Option var config: String
  @Option var lanes: Int
  @Option var task = Direction.encode
  @Option var batch: Int?

  func run() throws {
    let run = try RunConfiguration.load(path: config)
    let measured = EncodingMeasurement(run, lanes: lanes, batch: batch)
    let rate =
      switch task {
      case .encode: try measured.imagesPerSecond()
      case .decode: try measured.decodedImagesPerSecond()
      }
    let measurement = Measurement(
      imagesPerSecond: rate, peakBytes: PeakMemory.ofThisProcess)
    print(String(decoding: try JSONEncoder().encode(measurement), as: UTF8.self))
  }

  /// The same in a process of its own.
  static func inAnotherProcess(
    config: String, lanes: Int, task: Direction = .encode, batch: Int? = nil
  ) throws -> Measurement {
    let process = try ChildProcess(
      CommandLine.arguments[0],
      ["measure", "--config", config, "--lanes", String(lanes), "--task", task.rawValue]
        + (batch.map { ["--batch", String($0)] } ?? []))
    return try JSONDecoder().decode(Measurement.self, from: Data(process.output.utf8))
  }
}
