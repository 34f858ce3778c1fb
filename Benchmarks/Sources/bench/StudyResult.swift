import Configuration
import Diagnostics
import Foundation
import Reports
import Training

/// What came of one run of a study: a line of its results.
///
/// The data that a run had stand in none of its values: all lines of a file are to have the same.
struct StudyResult: Codable {
  private(set) var variant, size: String
  let seed, steps: Int
  /// The values set over the configuration's, by which a run is known again.
  let overrides: [String]
  let psnr, ssim: Double
  let usedCodes, codes, tokens: Int
  let perplexity, quantizationError: Double
  /// Bits that the tokens of an image carry: their number times log2 of the perplexity.
  let bitsPerImage: Double
  let verdict: String
  /// The step at which the collapse began, and the diagnostic that saw it first with its step.
  var collapse: Int?
  var firstSign: String?
  var firstSignStep: Int?
  /// Of the last diagnosis, where there is a codebook.
  var lambda, cosine, obtuse: Double?
  /// PSNR of averages of the weights at the end, by name, on as many images as the averages say.
  var averages: [String: Double]?
  let seconds: Double
  let commit: String

  /// Reads what `compare --json` says of a run, and its journal.
  init(
    _ run: StudyPlan.Run, folder: String, comparison: String, seconds: Double, commit: String
  ) throws {
    guard case .object(let all) = try JSONValue(parsing: comparison),
      case .array(let runs)? = all["runs"], case .object(let object)? = runs.first,
      let psnr = object["psnr"]?.double, let ssim = object["ssim"]?.double,
      let used = object["usedCodes"]?.double, let codes = object["codes"]?.double,
      let ids = (object["ids"] ?? object["tokens"])?.double,
      let perplexity = object["perplexity"]?.double,
      let error = object["quantizationError"]?.double,
      let images = object["images"]?.double, let steps = object["steps"]?.double,
      case .string(let verdict)? = object["verdict"]
    else { throw BenchmarkError("\(folder): compare says nothing of it") }
    variant = run.variant
    size = run.size
    seed = run.seed
    overrides = run.overrides
    self.steps = Int(steps)
    self.psnr = psnr
    self.ssim = ssim
    (usedCodes, self.codes, self.tokens) = (Int(used), Int(codes), Int(ids))
    self.perplexity = perplexity
    quantizationError = error
    bitsPerImage = ids / images * log2(perplexity)
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

  /// The same under the names that another study has for it.
  func `as`(_ run: StudyPlan.Run) -> StudyResult {
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
