import Files
import Configuration
import Foundation
import TokenFiles
import Training

/// The runs of a sweep: a base configuration times variants times sizes times seeds.
///
/// The seeds come one after another, so that a sweep that is cut short has whole rounds. A variant's
/// values may name those of the size in braces: `quantizer.codebookSize={codes}`.
public struct SweepPlan: Sendable, Equatable {
  /// What is trained, by which values of the configuration.
  public struct Variant: Sendable, Equatable {
    /// The name in tables and folders.
    public var name = ""
    /// What stands in plots; nil for the name.
    public var label: String?
    /// Values over the configuration's, as for `train --set`.
    public var set: [String] = []
  }

  /// What the variants' braces stand for.
  public struct Size: Sendable, Equatable {
    /// The name in tables and folders; empty where a plan has no sizes.
    public var name = ""
    /// Texts by the words in braces.
    public var values: [String: String] = [:]
  }

  /// One run.
  public struct Run: Sendable, Equatable {
    /// The variant's name.
    public let variant: String
    /// The size's name.
    public let size: String
    /// The seed of all random numbers.
    public let seed: Int
    /// Values set over the configuration's, the seed last.
    public let overrides: [String]

    /// A name that is a folder's too: variant, size and seed.
    public var name: String {
      [variant, size, "\(seed)"].filter { !$0.isEmpty }.joined(separator: "-")
        .map { $0.isLetter || $0.isNumber || "-.".contains($0) ? String($0) : "_" }.joined()
    }
  }

  /// Path of the schema by which editors check the file.
  public var schemaPath = "sweep.schema.json"
  /// What the sweep asks.
  public var description = ""
  /// The configuration that all runs share: a file, or the name of a preset.
  public var config = ""
  /// Values that all runs set over it.
  public var set: [String] = []
  /// The seeds.
  public var seeds = [0]
  /// What is compared.
  public var variants: [Variant] = []
  /// At which sizes each variant is trained; none for one run a variant and seed.
  public var sizes: [Size] = []

  /// All runs, in their order.
  public var runs: [Run] {
    let sizes = sizes.isEmpty ? [Size()] : sizes
    return seeds.flatMap { seed in
      sizes.flatMap { size in
        variants.map { variant in
          Run(
            variant: variant.name, size: size.name, seed: seed,
            overrides: set + Self.filled(variant.set, size) + ["training.seed=\(seed)"])
        }
      }
    }
  }

  /// Reads every run's configuration, before the first is trained.
  ///
  /// - Parameter overrides: values set over all others', such as folders of images.
  /// - Throws: ``Failure`` that names the run.
  public func check(_ overrides: [String] = []) throws {
    for run in runs {
      do { _ = try configuration(run, overrides) } catch {
        let failure = Failure(error)
        throw Failure(failure.code, "run \(run.name): \(failure.description)")
      }
    }
  }

  /// The configuration of a run.
  private func configuration(_ run: Run, _ overrides: [String]) throws -> RunConfiguration {
    try Preset.load(config, overrides: run.overrides + overrides)
  }

  /// A text that is another for every change of a run's configuration but its length.
  func fingerprint(_ run: Run, _ overrides: [String]) throws -> String {
    var configuration = try configuration(run, overrides)
    configuration.description = ""
    configuration.schemaPath = "-"
    return Fingerprint.hexadecimal(Fingerprint.hash(configuration.resolved))
  }

  /// A variant's values with those of a size in place of the words in braces.
  private static func filled(_ texts: [String], _ size: Size) -> [String] {
    texts.map { text in
      size.values.sorted { $0.key < $1.key }.reduce(text) {
        $0.replacingOccurrences(of: "{\($1.key)}", with: $1.value)
      }
    }
  }

  /// The words in braces of a text; JSON's own braces hold more than a word.
  private static func placeholders(_ text: String) -> [String] {
    text.matches(of: /\{([A-Za-z][A-Za-z0-9_]*)\}/).map { String($0.output.1) }
  }
}

extension SweepPlan: Configurable {
  /// Summary for the schema.
  public static let summary = "The runs of a sweep: a configuration times variants times seeds."
  /// A start that lacks configuration and variants.
  public static let standard = SweepPlan()

  /// Declares the fields, and checks that names are different and braces are filled.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.string("$schema", &schemaPath, "Path of the JSON Schema, relative to this file.")
    fields.string("description", &description, canBeEmpty: true, "The question of the sweep.")
    fields.string(
      "config", &config, isRequired: true, isPath: true,
      "The configuration that all runs share: a file, or the name of a preset.",
      remedy: "Name one, as in \"config\": \"fsq\".")
    fields.strings(
      "set", &set, "Values to set for all runs, as in \"training.steps=500\".")
    fields.integers(
      "seeds", &seeds, each: .atLeast(0), count: .atLeast(1),
      "Random seeds; each variant is trained with each of them."
    )
    fields.objects(
      "variants", &variants, count: .atLeast(1), isRequired: true, "What is compared.",
      remedy: "List at least one, as in {\"name\": \"base\", \"set\": []}.")
    fields.objects(
      "sizes", &sizes,
      "Sizes at which each variant is trained; words in braces in a variant's values are replaced "
        + "by each size's texts.")
    let (seeds, variants, sizes) = (seeds, variants, sizes)
    fields.check(
      "seeds", Set(seeds).count == seeds.count, expected: "different seeds")
    let names = runs.map(\.name)
    let twice = names.first { name in names.count { $0 == name } > 1 } ?? ""
    fields.check(
      "variants", with: ["seeds", "sizes"], Set(names).count == names.count,
      expected: "variants and sizes with different folder names (two are \(twice))",
      remedy: "Rename one of them.")
    let texts = set + variants.flatMap(\.set)
    let wrong = texts.first { !$0.contains("=") } ?? ""
    fields.check(
      "variants", with: ["set"], texts.allSatisfy { $0.contains("=") },
      expected: "key.path=value in every set (one is \"\(wrong)\")",
      remedy: "Write for example \"training.steps=500\".")
    let unfilled =
      variants.flatMap(\.set).flatMap(Self.placeholders)
      .first { word in sizes.isEmpty || sizes.contains { $0.values[word] == nil } } ?? ""
    fields.check(
      "variants", with: ["sizes"], unfilled.isEmpty,
      expected: "a value of {\(unfilled)} in every size",
      remedy: "Add it to \"values\" of each entry of sizes.")
  }
}

extension SweepPlan.Variant: Configurable {
  /// Summary for the schema.
  public static let summary = "A variant: a name and its values of the configuration."
  /// A start that lacks its name.
  public static let standard = SweepPlan.Variant()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.string("name", &name, isRequired: true, "The name in tables and folders.")
    fields.string("label", &label, "The name in plots; null means name.")
    fields.strings(
      "set", &set, "Values to set, as in \"quantizer.codebookSize={codes}\".")
  }
}

extension SweepPlan.Size: Configurable {
  /// Summary for the schema.
  public static let summary = "What the words in braces stand for."
  /// A start that lacks its name.
  public static let standard = SweepPlan.Size()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.string("name", &name, isRequired: true, "The name in tables and folders.")
    fields.table("values", &values, "Texts by the words in braces, as in {\"codes\": \"512\"}.")
  }
}
