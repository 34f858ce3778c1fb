import Files
import Configuration
import Foundation
import Training

/// Configurations by name: `--config photos-256` from any folder, with or without the repository.
///
/// A path that is there is taken as it is. A name is looked for in `configs/` of the working
/// directory, in `configs/` around the executable, in `share/tessera/configs` beside it, and among
/// the configurations that are built in.
enum Preset {
  /// Former names of configurations.
  private static let aliases = ["photos-fsq": "photos-64"]

  /// The configurations that are built in, with their text.
  static let builtIn: [(name: String, text: [UInt8])] = [
    ("fsq", PackageResources.fsq_json),
    ("vq", PackageResources.vq_json),
    ("vq-plain", PackageResources.vq_plain_json),
    ("photos-64", PackageResources.photos_64_json),
    ("photos-128", PackageResources.photos_128_json),
    ("photos-256", PackageResources.photos_256_json),
    ("scenes-vq", PackageResources.scenes_vq_json),
    ("cifar10-fsq", PackageResources.cifar10_fsq_json),
    ("cifar10-vq", PackageResources.cifar10_vq_json),
    ("cifar10-vq-rotation", PackageResources.cifar10_vq_rotation_json),
    ("kl", PackageResources.kl_json),
    ("prior", PackageResources.prior_json),
    ("scenes-prior", PackageResources.scenes_prior_json),
    ("continuous", PackageResources.continuous_json),
    ("solver", PackageResources.solver_json),
  ]

  /// What the configuration that an argument names trains; a tokenizer where it does not say.
  static func kind(_ argument: String) -> RunKind {
    let text: String?
    let argument = expandingHome(argument)
    if FileManager.default.fileExists(atPath: argument) {
      text = try? String(contentsOfFile: argument, encoding: .utf8)
    } else if let name = name(argument) {
      let path = folders.map { "\($0)/\(name).json" }.first {
        FileManager.default.fileExists(atPath: $0)
      }
      text =
        path.flatMap { try? String(contentsOfFile: $0, encoding: .utf8) }
        ?? builtIn.first { $0.name == name }.map { String(decoding: $0.text, as: UTF8.self) }
    } else {
      return .tokenizer
    }
    guard let text, case .object(let object)? = try? JSONValue(parsing: text),
      case .string(let word)? = object["kind"]
    else { return .tokenizer }
    return RunKind(rawValue: word) ?? .tokenizer
  }

  /// Reads the configuration that an argument names.
  static func load<Run: Configurable>(
    _ argument: String, as run: Run.Type = RunConfiguration.self, overrides: [String] = [],
    notice: (String) -> Void = { _ in }
  ) throws -> Run {
    let argument = expandingHome(argument)
    if FileManager.default.fileExists(atPath: argument) {
      return try .load(path: argument, overrides: overrides, notice: notice)
    }
    guard let name = name(argument) else {
      // A path to nothing: the error names its neighbour.
      return try .load(path: argument, overrides: overrides, notice: notice)
    }
    for folder in folders {
      let path = "\(folder)/\(name).json"
      if FileManager.default.fileExists(atPath: path) {
        return try .load(path: path, overrides: overrides, notice: notice)
      }
    }
    if let preset = builtIn.first(where: { $0.name == name }) {
      return try .parse(
        String(decoding: preset.text, as: UTF8.self), file: "\(name) (built in)",
        overrides: overrides, notice: notice)
    }
    throw notFound(argument, name)
  }

  /// The name of the run that a configuration's argument stands for.
  static func runName(_ argument: String) -> String {
    let name = URL(fileURLWithPath: argument).deletingPathExtension().lastPathComponent
    return FileManager.default.fileExists(atPath: argument) ? name : aliases[name] ?? name
  }

  /// The name that an argument is, without folder and ending; nil where it is a path.
  ///
  /// `configs/NAME.json` is a name too where a configuration of that name is built in: so it is
  /// written in the documentation.
  private static func name(_ argument: String) -> String? {
    var name = argument.hasSuffix(".json") ? String(argument.dropLast(5)) : argument
    let isBare = !name.contains("/")
    if name.hasPrefix("./") { name = String(name.dropFirst(2)) }
    if name.hasPrefix("configs/") { name = String(name.dropFirst("configs/".count)) }
    guard !name.isEmpty, !name.contains("/") else { return nil }
    let formal = aliases[name] ?? name
    return isBare || builtIn.contains { $0.name == formal } ? formal : nil
  }

  /// Where configurations lie, in the order in which they are looked for.
  private static var folders: [String] {
    var folders = ["configs"]
    guard let executable = Bundle.main.executablePath else { return folders }
    var folder = URL(fileURLWithPath: executable).resolvingSymlinksInPath()
    // A build is a few folders deep in the package; an installation has bin/ and share/.
    for _ in 0..<5 {
      folder.deleteLastPathComponent()
      let isPackage = FileManager.default.fileExists(
        atPath: folder.appendingPathComponent("Package.swift").path)
      if isPackage { folders.append(folder.appendingPathComponent("configs").path) }
      folders.append(folder.appendingPathComponent("share/tessera/configs").path)
    }
    return folders
  }

  /// All names that there are, the built-in ones first.
  private static var names: [String] {
    var names = builtIn.map(\.name)
    for folder in folders {
      let files = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
      for file in files where file.hasSuffix(".json") && !file.hasSuffix(".schema.json") {
        let name = String(file.dropLast(5))
        if !names.contains(name) { names.append(name) }
      }
    }
    return names
  }

  private static func notFound(_ argument: String, _ name: String) -> ConfigurationError {
    let near = nearest(to: name, among: names).map { "Did you mean \"\($0)\"? " } ?? ""
    return ConfigurationError(
      kind: .unreadable, file: argument,
      problems: [
        ConfigurationProblem(
          key: "", message: "no such file, and no configuration of this name",
          remedy: near + "There are: \(names.joined(separator: ", ")).")
      ])
  }
}

/// All keys of a configuration as text for a terminal, or as the page `docs/configuration.md`.
enum KeyListing {
  /// The keys whose path begins with some text, or else those that contain it.
  static func keys(_ prefix: String?) throws -> [ConfigurationKey] {
    // Of other kinds those that are not there already.
    var (known, all) = (Set<String>(), [ConfigurationKey]())
    for keys in [
      RunConfiguration.keys, PriorRunConfiguration.keys, ContinuousRunConfiguration.keys,
      SolverRunConfiguration.keys,
    ] {
      all += keys.filter { known.insert($0.path).inserted }
    }
    guard let prefix, !prefix.isEmpty else { return all }
    let under = all.filter { $0.path == prefix || $0.path.hasPrefix(prefix + ".") }
    if !under.isEmpty { return under }
    let containing = all.filter { $0.path.lowercased().contains(prefix.lowercased()) }
    if !containing.isEmpty { return containing }
    let near =
      RunConfiguration.habits.first { $0.answers(prefix) }?.path
      ?? nearest(to: prefix, among: all.map(\.path))
    throw Failure(
      .usage,
      "--list-keys: no key begins with \"\(prefix)\" or contains it. "
        + (near.map { "Did you mean \"\($0)\"? " } ?? "")
        + "Without a prefix, all keys are listed.")
  }

  /// A key a paragraph: path, what it accepts and its default, then what it means.
  static func text(_ keys: [ConfigurationKey]) -> String {
    keys.map { key in
      let types = key.types.isEmpty ? "" : "  [type \(key.types.joined(separator: ", "))]"
      let standard = key.standard.map { "  default \($0)" } ?? "  required"
      return "\(key.path)  \(key.kind)\(standard)\(types)\n    \(key.meaning)"
    }
    .joined(separator: "\n")
  }

  /// The page of all keys, a table for each object.
  static var page: String {
    var lines = [
      "# Configuration: every key", "",
      "Generated by `train --list-keys --markdown`; a test keeps it up to date. A "
        + "configuration is one JSON file, such as those in [`configs`](../configs). Any value can "
        + "be set on the command line: `--set training.batchSize=32`, or a whole object, "
        + "`--set 'quantizer={\"type\": \"vq\", \"codebookSize\": 512}'`. Missing keys have "
        + "their defaults. `train --list-keys quantizer` prints the keys of one object.",
    ]
    lines += tables(RunConfiguration.keys)
    lines += [
      "", "# Priors", "",
      "A configuration with `\"kind\": \"prior\"` trains a transformer on the tokens of a tokenizer: see "
        + "[priors.md](priors.md). `training` and `monitor` have the keys above, but for those of images, "
        + "codebooks, samples and spectra; `monitor.keepBest` is `\"none\"` or `\"bits\"`.",
    ]
    lines += tables(
      PriorRunConfiguration.keys.filter {
        $0.path.hasPrefix("data.") || $0.path.hasPrefix("model.")
      })
    lines += [
      "", "# Continuous priors", "",
      "A configuration with `\"kind\": \"continuous\"` trains a transformer on patches of images or on "
        + "latents, without tokens: see [continuous.md](continuous.md). `training` and `monitor` are as a "
        + "prior's; `monitor.keepBest` is `\"none\"` or `\"loss\"`.",
    ]
    lines += tables(
      ContinuousRunConfiguration.keys.filter {
        $0.path.hasPrefix("data.") || $0.path.hasPrefix("model.")
      })
    lines += [
      "", "# Solvers", "",
      "A configuration with `\"kind\": \"solver\"` trains the steps of a few-step solver for a continuous "
        + "prior: see [continuous.md](continuous.md#few-steps).",
    ]
    lines += tables(
      SolverRunConfiguration.keys.filter {
        $0.path == "checkpoint" || $0.path.hasPrefix("solver.")
      })
    return lines.joined(separator: "\n") + "\n"
  }

  /// A table for each object.
  private static func tables(_ keys: [ConfigurationKey]) -> [String] {
    var (lines, section) = ([String](), String?.none)
    for key in keys {
      let parts = key.path.split(separator: ".").map(String.init)
      let object = parts.dropLast().joined(separator: ".")
      if object != section {
        section = object
        lines += [
          "", "## " + (object.isEmpty ? "The file" : object), "",
          "| key | accepts | default | meaning |", "| --- | --- | --- | --- |",
        ]
      }
      let types =
        key.types.isEmpty
        ? "" : " *(" + key.types.map { "`\($0)`" }.joined(separator: ", ") + ")*"
      lines.append(
        "| `\(parts.last ?? key.path)` | \(cell(key.kind)) | "
          + (key.standard.map { "`\($0)`" } ?? "required") + " | \(cell(key.meaning))\(types) |")
    }
    return lines
  }

  private static func cell(_ text: String) -> String {
    text.replacingOccurrences(of: "|", with: "\\|").replacingOccurrences(of: "<", with: "&lt;")
  }
}
