import Configuration
import Foundation
import Training

/// The runs of a study, as a file of `Benchmarks/studies` lists them.
///
/// Every variant is trained at every size with every seed, the seeds one after another, so that a
/// study that is cut short has whole rounds. A variant's values may name those of the size in braces.
struct StudyPlan: Decodable {
  /// What is trained, by which values of the configuration.
  struct Variant: Decodable {
    let name: String
    /// What stands in plots; nil for the name.
    let label: String?
    let set: [String]
  }

  /// A size of the codebook, and what the variants' braces stand for there.
  struct Size: Decodable {
    let name: String
    let values: [String: String]
  }

  /// What the study asks.
  let description: String
  /// The configuration that all runs share.
  let config: String
  let seeds: [Int]
  let variants: [Variant]
  let sizes: [Size]

  /// One run.
  struct Run {
    let variant: String
    let size: String
    let seed: Int
    /// Values set over the configuration's.
    let overrides: [String]

    /// A name that is a folder's too.
    var name: String {
      "\(variant)-\(size)-\(seed)".map {
        $0.isLetter || $0.isNumber || $0 == "-" ? String($0) : "_"
      }
      .joined()
    }
  }

  /// Reads a study's file.
  static func load(_ path: String) throws -> StudyPlan {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw BenchmarkError("\(path): expected a study, found no such file; see Benchmarks/studies")
    }
    do { return try JSONDecoder().decode(StudyPlan.self, from: data) } catch {
      throw BenchmarkError("\(path): \(error)")
    }
  }

  /// All runs, in their order.
  var runs: [Run] {
    seeds.flatMap { seed in
      sizes.flatMap { size in
        variants.map { variant in
          let values = variant.set.map { text in
            size.values.reduce(text) { $0.replacingOccurrences(of: "{\($1.key)}", with: $1.value) }
          }
          return Run(
            variant: variant.name, size: size.name, seed: seed,
            overrides: values + ["training.seed=\(seed)"])
        }
      }
    }
  }

  /// Checks every run's configuration, before the first is trained.
  func check(_ overrides: [String]) throws {
    for run in runs {
      do { _ = try RunConfiguration.load(path: config, overrides: overrides + run.overrides) } catch
      {
        throw BenchmarkError("\(run.name): \(error)")
      }
    }
  }
}
