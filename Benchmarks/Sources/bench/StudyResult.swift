import Configuration
import Diagnostics
import Foundation
import Reports
import Training

/// What came of one run of a study: a line of its results.
struct StudyResult: Codable {
  let variant, size: String
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
      let psnr = Self.number(object["psnr"]), let ssim = Self.number(object["ssim"]),
      let used = Self.number(object["usedCodes"]), let codes = Self.number(object["codes"]),
      let tokens = Self.number(object["tokens"]),
      let perplexity = Self.number(object["perplexity"]),
      let error = Self.number(object["quantizationError"]),
      let images = Self.number(object["images"]), let steps = Self.number(object["steps"]),
      case .string(let verdict)? = object["verdict"]
    else { throw BenchmarkError("\(folder): compare says nothing of it") }
    variant = run.variant
    size = run.size
    seed = run.seed
    overrides = run.overrides
    self.steps = Int(steps)
    self.psnr = psnr
    self.ssim = ssim
    (usedCodes, self.codes, self.tokens) = (Int(used), Int(codes), Int(tokens))
    self.perplexity = perplexity
    quantizationError = error
    bitsPerImage = tokens / images * log2(perplexity)
    self.verdict = verdict
    self.seconds = seconds
    self.commit = commit
    readJournal(folder)
  }

  private mutating func readJournal(_ folder: String) {
    let lines = Journal.lines(folder: folder)
    func last(_ kind: String) -> JSONObject? { lines.last { $0["kind"] == .string(kind) } }
    if let line = last("quantizer") {
      lambda = Self.number(line["lambda"])
      cosine = Self.number(line["cosine"])
      obtuse = Self.number(line["obtuse"])
    }
    if let line = last("averages") {
      averages = [:]
      for member in line.members {
        if case .object(let entry) = member.value {
          averages?[member.key] = Self.number(entry["psnr"])
        }
      }
    }
  }

  private static func number(_ value: JSONValue?) -> Double? {
    switch value {
    case .number(let number)?: number
    case .integer(let integer)?: Double(integer)
    default: nil
    }
  }
}
