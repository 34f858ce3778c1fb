import Files
import Configuration
import Datasets
import Foundation
import Testing
import Training

/// The journal writes what its documentation lists, and nothing else.
struct JournalKeysTests {
  /// The keys that the documentation lists, by kind.
  private static func documented() throws -> [String: Set<String>] {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
      .appendingPathComponent("Sources/Training/Training.docc/Metrics.md").path
    var keys: [String: Set<String>] = [:]
    var kind = ""
    for line in try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n") {
      if line.hasPrefix("## ") { kind = String(line.dropFirst(3)) }
      guard !kind.isEmpty, line.hasPrefix("| `") else { continue }
      // Names within backticks of the first cell, up to "of".
      let cell = line.dropFirst(2).prefix { $0 != "|" }
      let names = cell.components(separatedBy: " of ")[0].split(separator: "`").enumerated()
      for (index, name) in names where index.isMultiple(of: 2) && !name.contains(" ") {
        keys[kind, default: []].insert(String(name))
      }
    }
    return keys
  }

  /// Keys of a line, those of objects within it too; names of modules, layers and averages are not keys.
  private static func keys(_ object: JSONObject, isOuter: Bool = true) -> Set<String> {
    var keys: Set<String> = []
    for member in object.members where !["kind", "step"].contains(member.key) {
      if case .object(let inner) = member.value {
        let isName = inner.keys == ["average", "max"] || inner.keys == ["max"]
        let isOfLayers = ["stableRank", "entropyRank"].contains(member.key)
        if isOuter, member.key == "modules" || isName || isOfLayers { keys.insert(member.key) }
        if !isName, !isOfLayers { keys.formUnion(Self.keys(inner, isOuter: false)) }
      } else {
        keys.insert(member.key)
      }
    }
    return keys
  }

  @Test func everyKeyIsDocumentedAndWritten() throws {
    let small = try SmallRun()
    var written: [String: Set<String>] = [:]
    // One file is damaged behind its header, and met in training.
    let cut = small.data + "/104.png"
    let whole = try bytes(cut)
    try Data(whole[..<(whole.count - 20)]).write(to: URL(fileURLWithPath: cut))
    for kind in ["fsq", "averaged", "revived", "kl", "none"] {
      var run = SmallRun.configuration(kind, data: small.data, steps: 8)
      run.monitor.diagnoseEvery = 2
      run.data.cacheMegabytes = 0
      if kind == "fsq" {
        // Its end has the bounds of a linear decay to zero.
        run.training.schedule = .linear(DecayConfiguration())
        run.training.averaging.uniform = true
      }
      try SmallRun.train(run, in: small.folder(kind))
      for line in Journal.lines(folder: small.folder(kind)) {
        guard case .string(let kind)? = line["kind"] else { continue }
        written[kind, default: []].formUnion(Self.keys(line))
      }
    }
    let documented = try Self.documented()
    #expect(Set(written.keys) == Set(documented.keys))
    // What depends on how the run goes.
    let occasional: Set = [
      "warning", "simpson", "decayExponent", "lossLimit", "noiseRatio", "slack1", "bound1",
      "usedCodesByDepth", "perplexityByDepth", "changes", "changedImages", "from",
    ]
    for (kind, keys) in written {
      let listed = documented[kind] ?? []
      #expect(keys.subtracting(listed).isEmpty, "\(kind): written, not documented")
      #expect(
        listed.subtracting(keys).subtracting(occasional).isEmpty,
        "\(kind): documented, not written: \(listed.subtracting(keys))")
    }
  }
}
