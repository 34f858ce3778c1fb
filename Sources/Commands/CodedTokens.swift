import CPUBackend
import Execution
import Formatting
import Foundation
import Inference
import TokenFiles
import Training

/// Opens a prior for the tokens of a tokenizer, or of others whose tokens it decodes.
func openPrior(
  _ folder: String, for identity: TokenizerIdentity, keeping kept: [String] = [],
  named tokenizer: String, _ options: CommandOptions
) throws -> OpenedPrior<Device> {
  let prior = try OpenedPrior(
    folder: folder, weights: Checkpoint.modelFile, backend: Device(), threads: options.threadCount)
  guard prior.tokens.tokenizer.isDecoded(by: identity, keeping: kept) else {
    throw PriorError.foreignPrior(
      folder: folder, found: "\(tokenizer) (\(identity.fingerprint))",
      expected: prior.tokens.tokenizer.fingerprint)
  }
  return prior
}

extension OpenedPrior<Device> {
  /// Writes tokens in the bits that the prior expects, and says how many those were.
  func write(
    _ tokens: TokenFile, named name: String, to path: String, _ terminal: Terminal
  ) throws -> String {
    let progress = ItemProgress(terminal, "coding", total: tokens.count)
    let summary = try CodedTokens.write(tokens, named: name, with: self, to: path) {
      progress.reach($0)
    }
    let bits = Double(summary.codeBytes) * 8
    return "\(path): \(Display.count(summary.images, "image")) in "
      + "\(Display.count(summary.codeBytes, "byte")) of code, "
      + "\(Display.decimals(bits / Double(summary.tokens), 3)) bits/token, "
      + "\(Display.decimals(bits / Double(summary.pixels), 3)) bits/pixel; the file with names and "
      + "sizes has \(Display.count(summary.fileBytes, "byte")); \(progress.rate)"
  }
}

/// Coded tokens that a command was given, and the token file that they become.
final class CodedInput {
  private let path: String
  private let tokens: CodedTokens
  /// Where the token file lies once it is expanded.
  private(set) var expanded: String?

  /// Nil where the file is not coded.
  ///
  /// - Throws: `Failure` where it is and no prior was named, or the other way round.
  init?(_ path: String, prior: String?) throws {
    guard CodedTokens.isCoded(path) else {
      guard prior == nil else {
        throw Failure(
          .usage,
          "--prior is for tokens that encode --prior wrote; \(path) holds plain ones: remove it")
      }
      return nil
    }
    tokens = try CodedTokens(path: path)
    guard prior != nil else {
      throw Failure(
        .usage,
        "\(path) was written with the prior \(tokens.prior), without which it cannot be read: add "
          + "--prior with its folder")
    }
    self.path = path
  }

  /// Turns the code into a token file.
  func write(
    with prior: OpenedPrior<Device>, to target: String, _ format: TokenFormat, replacing: Bool,
    _ terminal: Terminal
  ) throws {
    terminal.progress("turning code into ids")
    do {
      try tokens.write(with: prior, to: target, format: format, replacing: replacing)
    } catch let error as TokenFileError {
      throw Failure(writing: error)
    }
  }

  /// Turns the code into a token file that is thrown away at the end.
  func expand(with prior: OpenedPrior<Device>, _ terminal: Terminal) throws {
    let folder = NSTemporaryDirectory() + "tessera-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
    let file = folder + "/tokens.safetensors"
    expanded = file
    try write(with: prior, to: file, .safetensors, replacing: false, terminal)
  }

  /// Removes what was thrown away.
  func remove() {
    guard let expanded else { return }
    try? FileManager.default.removeItem(
      atPath: URL(fileURLWithPath: expanded).deletingLastPathComponent().path)
  }
}
