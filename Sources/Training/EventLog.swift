import Files
import Configuration
import Evaluation
import EventFiles
import Imaging

/// A run's lines, code usage and samples, as event files for TensorBoard.
///
/// Each number of a line becomes a scalar, named by the line's kind and the number's keys with
/// slashes between, as in `averages/ema/psnr`; each list of numbers a histogram. A run that goes on
/// writes a further file, which voids what earlier ones hold of later steps.
struct EventLog {
  private let file: EventFile

  /// Opens a new file beside those of a run's earlier parts.
  init(folder: String, after steps: Int) throws(TrainingError) {
    do { file = try EventFile(folder: folder, keepingSteps: steps > 0 ? steps : nil) } catch {
      throw .file(error)
    }
  }

  /// Writes the numbers of a line.
  func record(_ line: JSONObject) throws(TrainingError) {
    guard case .string(let kind)? = line["kind"], case .integer(let step)? = line["step"] else {
      return
    }
    var scalars: [(tag: String, value: Double)] = []
    var lists: [(tag: String, values: [Double])] = []
    func collect(_ object: JSONObject, _ path: String) {
      for member in object.members where member.key != "kind" && member.key != "step" {
        let tag = path + "/" + member.key
        switch member.value {
        case .object(let inner): collect(inner, tag)
        case .integer(let value): scalars.append((tag, Double(value)))
        case .number(let value): scalars.append((tag, value))
        case .array(let values):
          let numbers = values.compactMap(\.double)
          if !numbers.isEmpty { lists.append((tag, numbers)) }
        case .flag, .string, .null: break
        }
      }
    }
    collect(line, kind)
    do {
      try file.scalars(scalars, step: step)
      for (tag, values) in lists { try file.histogram(tag, Histogram(of: values), step: step) }
    } catch { throw .file(error) }
  }

  /// Writes how often each code was used, over the codes' indices.
  func record(_ usage: CodebookUsage, step: Int) throws(TrainingError) {
    let buckets = min(usage.codes, 64)
    let edges = (0...buckets).map { $0 * usage.codes / buckets }
    var counts = [Double](repeating: 0, count: buckets)
    var bucket = 0
    usage.forEachUsed { code, count in
      while code >= edges[bucket + 1] { bucket += 1 }
      counts[bucket] += Double(count)
    }
    do {
      try file.histogram(
        "codes/uses", Histogram(edges: edges.map(Double.init), counts: counts), step: step)
    } catch { throw .file(error) }
  }

  /// Writes a sheet of originals over reconstructions.
  func record(samples sheet: Image, step: Int) throws {
    let png = try ImageEncoder().encode(sheet, as: .png)
    do {
      try file.image(
        "samples", png: png, width: sheet.width, height: sheet.height, step: step)
    } catch { throw TrainingError.file(error) }
  }
}
