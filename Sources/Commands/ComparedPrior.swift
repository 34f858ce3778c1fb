import Configuration
import Files
import Foundation
import Imaging
import Reports
import TokenFiles
import Training

/// The folder of a prior, as a comparison reads it: no images, only what is there.
struct ComparedPrior {
  /// The folder.
  let folder: String
  /// The weights whose step the log is read up to: the best ones where they are asked for and there.
  private let weights: String

  /// A sheet of images that were drawn from the prior, which its folder may hold.
  static let drawnFile = "samples.png"

  /// The prior in a folder; `weights` is the file that was asked for.
  init(folder: String, weights: String) {
    self.folder = folder
    self.weights = Checkpoint(folder: folder).hasBest ? weights : Checkpoint.modelFile
  }

  /// What its tokens cost, from configuration, `tokens.json`, log, and the header of its weights.
  func read(
    _ run: PriorRunConfiguration
  ) throws -> (run: PriorRun, details: RunDetails) {
    guard isThere(weights) else {
      throw TrainingError.noCheckpoint(folder: folder, missing: weights)
    }
    let tokens = try tokens()
    let steps = try RecordedEntry.steps(folder, weights)
    let details = RecordedEntry.details(folder, run.resolved, upTo: steps)
    let prior = PriorRun(
      tokens: tokens, parameters: try RecordedEntry.parameters(folder, weights), steps: steps,
      history: details.history)
    guard let prior else { throw noEvaluation(steps) }
    return (prior, details)
  }

  /// The tokens that it has learned.
  private func tokens() throws -> PriorRun.Tokens {
    guard isThere(PriorTokens.file) else {
      throw Failure(
        .badData,
        "\(folder): expected \(PriorTokens.file), which names the tokenizer whose tokens the prior has "
          + "learned, found none. The folder is damaged: copy it again or train again.")
    }
    let tokens = try Checkpoint(folder: folder).readPriorTokens()
    return PriorRun.Tokens(
      fingerprint: tokens.tokenizer.fingerprint, quantizer: tokens.tokenizer.quantizer,
      rows: tokens.rows, columns: tokens.columns, classes: tokens.classes.count)
  }

  private func noEvaluation(_ steps: Int) -> Failure {
    let log = Journal.fileName
    guard isThere(log) else {
      return Failure(
        .badData,
        "\(folder): expected \(log), which has the bits of held-out tokens, found none. Copy it there, "
          + "or train again.")
    }
    return Failure(
      .badData,
      "\(folder): expected an evaluation on held-out tokens in \(log), found none up to step \(steps). "
        + "Continue the run: \(CommandName.typed("train")) --resume --output \(shellQuoted(folder))"
    )
  }

  /// The sheet of images that were drawn from it, a PNG file; empty where there is none.
  func drawnImages(_ terminal: Terminal) -> [UInt8] {
    guard isThere(Self.drawnFile) else { return [] }
    let path = folder + "/" + Self.drawnFile
    do {
      _ = try ImageDecoder().read(path)
      return [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    } catch {
      terminal.warn("skipped: \(error)")
      return []
    }
  }

  /// What was measured of images that it drew; nil where that is not there or cannot be read.
  func quality(_ terminal: Terminal) -> QualityRecord? {
    guard isThere(QualityRecord.file) else { return nil }
    let path = folder + "/" + QualityRecord.file
    do {
      let bytes = try ReadableFile(path: path)
      let text = String(decoding: try bytes.bytes(0..<bytes.byteCount), as: UTF8.self)
      return try QualityRecord(json: text)
    } catch {
      terminal.warn(
        "skipped: \(path): \(error). Measure again: \(CommandName.typed("quality")) --record "
          + shellQuoted(folder))
      return nil
    }
  }

  private func isThere(_ file: String) -> Bool {
    FileManager.default.fileExists(atPath: folder + "/" + file)
  }
}
