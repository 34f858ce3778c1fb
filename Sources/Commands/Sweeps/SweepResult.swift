import Files
import Configuration
import Foundation
import Training

/// The result of one finished run of a sweep: a line of its results file.
///
/// The data that a run had stand in none of its values: all lines of a file are to have the same.
public struct SweepResult: Codable, Sendable {
  /// The names of variant and size.
  public private(set) var variant, size: String
  /// The seed, and the length of the run.
  public let seed, steps: Int
  /// The values set over the configuration's, by which a run is known again.
  public let overrides: [String]
  /// Quality on the images held out.
  public let psnr, ssim: Double
  /// Codes that the tokens of those images use, of all, and how many tokens that are; 0 where nothing is
  /// quantized.
  public let usedCodes, codes, tokens: Int
  /// Perplexity of the codes, and the mean squared error of quantization of a vector.
  public let perplexity, quantizationError: Double
  /// Bits that the tokens of an image carry: their number times log2 of the perplexity.
  public let bitsPerImage: Double
  /// The verdict of `compare`.
  public let verdict: String
  /// The step at which the collapse began.
  public private(set) var collapse: Int?
  /// The diagnostic that saw it first, with its step.
  public private(set) var firstSign: String?
  /// The step of the first sign.
  public private(set) var firstSignStep: Int?
  /// Of the last diagnosis, where there is a codebook.
  public private(set) var lambda, cosine, obtuse: Double?
  /// PSNR of averages of the weights at the end, by name, on as many images as the averages say.
  public private(set) var averages: [String: Double]?
  /// How long the run took.
  public let seconds: Double
  /// The version or commit of Tessera that trained it.
  public let commit: String
  /// Another for every change of the configuration; nil in results of earlier versions.
  public var fingerprint: String?

  /// Reads a run's part of `compare --json`, and its log.
  public init(
    _ run: SweepPlan.Run, folder: String, comparison: String, seconds: Double, commit: String
  ) throws {
    guard case .object(let all) = try JSONValue(parsing: comparison),
      case .array(let runs)? = all["runs"], case .object(let object)? = runs.first,
      let psnr = object["psnr"]?.double, let ssim = object["ssim"]?.double,
      let images = object["images"]?.double, let steps = object["steps"]?.double,
      case .string(let verdict)? = object["verdict"]
    else { throw Failure(.internal, "\(folder): compare returned no numbers") }
    // An autoencoder whose latents are not quantized has none of these.
    func number(_ key: String) -> Double { object[key]?.double ?? 0 }
    let (codes, used, perplexity) = (number("codes"), number("usedCodes"), number("perplexity"))
    let ids = (object["ids"] ?? object["tokens"])?.double ?? 0
    guard codes == 0 || used > 0 && ids > 0 && perplexity > 0 else {
      throw Failure(.internal, "\(folder): compare returned no numbers of its codes")
    }
    variant = run.variant
    size = run.size
    seed = run.seed
    overrides = run.overrides
    self.steps = Int(steps)
    self.psnr = psnr
    self.ssim = ssim
    (usedCodes, self.codes, self.tokens) = (Int(used), Int(codes), Int(ids))
    self.perplexity = perplexity
    quantizationError = number("quantizationError")
    bitsPerImage = codes > 0 ? ids / images * log2(perplexity) : 0
    self.verdict = verdict
    if case .object(let onset)? = object["collapse"] {
      collapse = onset["step"]?.double.map { Int($0) }
      if case .array(let onsets)? = object["onsets"], case .object(let first)? = onsets.first,
        case .string(let diagnostic)? = first["diagnostic"]
      {
        firstSign = diagnostic
        firstSignStep = first["step"]?.double.map { Int($0) }
      }
    }
    self.seconds = seconds
    self.commit = commit
    readJournal(folder)
  }

  /// The same under the names that another plan has for it.
  public func `as`(_ run: SweepPlan.Run) -> SweepResult {
    var result = self
    (result.variant, result.size) = (run.variant, run.size)
    return result
  }

  private mutating func readJournal(_ folder: String) {
    let lines = Journal.lines(folder: folder)
    func last(_ kind: String) -> JSONObject? { lines.last { $0["kind"] == .string(kind) } }
    if let line = last("quantizer") {
      lambda = line["lambda"]?.double
      cosine = line["cosine"]?.double
      obtuse = line["obtuse"]?.double
    }
    if let line = last("averages") {
      averages = [:]
      for member in line.members {
        if case .object(let entry) = member.value {
          averages?[member.key] = entry["psnr"]?.double
        }
      }
    }
  }
}

/// A line of the results file: a run's numbers, or why it failed.
enum SweepRecord: Sendable {
  /// The run finished.
  case finished(SweepResult)
  /// The run failed; it is tried again when the sweep is.
  case failed(SweepFailure)

  /// The names of the file of results and of what is made of it.
  static let fileName = "results.jsonl"

  /// The values by which a run is known again.
  var overrides: [String] {
    switch self {
    case .finished(let result): result.overrides
    case .failed(let failure): failure.overrides
    }
  }

  /// The numbers, if the run finished.
  var result: SweepResult? { if case .finished(let result) = self { result } else { nil } }

  /// Why it failed, if it did.
  var failure: SweepFailure? { if case .failed(let failure) = self { failure } else { nil } }

  /// The records of a file, of each run the last; an empty list where there is no file.
  ///
  /// A line that was cut short is skipped: that run's line is written again.
  static func read(_ path: String) throws -> [SweepRecord] {
    guard FileManager.default.fileExists(atPath: path) else { return [] }
    guard let data = FileManager.default.contents(atPath: path) else {
      throw Failure(.noInput, "\(path): cannot be read")
    }
    let lines = String(decoding: data, as: UTF8.self)
      .split(separator: "\n", omittingEmptySubsequences: false)
    var records: [SweepRecord] = []
    for (index, line) in lines.enumerated() where !line.isEmpty {
      let data = Data(line.utf8)
      let decoder = JSONDecoder()
      let record =
        (try? decoder.decode(SweepFailure.self, from: data)).map(SweepRecord.failed)
        ?? (try? decoder.decode(SweepResult.self, from: data)).map(SweepRecord.finished)
      guard let record else {
        if (try? JSONSerialization.jsonObject(with: data)) == nil { continue }
        throw Failure(
          .badData,
          "\(path): line \(index + 1): expected a result of a sweep. Remove the line; that run is "
            + "then evaluated again.")
      }
      records.removeAll { $0.overrides == record.overrides }
      records.append(record)
    }
    return records
  }

  /// The line of a file of results, without its end.
  func line() throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    switch self {
    case .finished(let result): return try encoder.encode(result)
    case .failed(let failure): return try encoder.encode(failure)
    }
  }

  /// Appends the record to a file, which is made where there is none.
  func append(to path: String) throws {
    var line = try line() + Data("\n".utf8)
    let descriptor = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw Failure(.cannotCreate, "\(path): \(String(cString: strerror(errno)))")
    }
    let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    // A line that was cut short stays a line of its own.
    if let end = try? handle.seekToEnd(), end > 0 {
      try? handle.seek(toOffset: end - 1)
      if (try? handle.read(upToCount: 1)) != Data("\n".utf8) { line = Data("\n".utf8) + line }
    }
    do {
      try handle.write(contentsOf: line)
      try handle.synchronize()
    } catch {
      throw Failure(.inputOutput, "\(path): \(error.localizedDescription)")
    }
  }
}

/// A run of a sweep that ended with an error.
struct SweepFailure: Codable, Sendable {
  /// The names of variant and size.
  let variant, size: String
  /// The seed.
  let seed: Int
  /// The values set over the configuration's, by which the run is known again.
  let overrides: [String]
  /// The exit code.
  let code: Int32
  /// The command's messages.
  let failure: String
}
