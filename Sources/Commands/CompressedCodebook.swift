import CPUBackend
import Compression
import Evaluation
import Execution
import Files
import Formatting
import Imaging
import Inference
import Reports
import TokenFiles
import Tokenizers
import Training

/// A smaller codebook in the place of a vq codebook.
extension CompressCommand {
  /// Refuses a codebook that cannot become so small.
  func checkCodebook(_ run: RunConfiguration) throws {
    guard let codebook else { return }
    guard case .vq(let quantizer) = run.quantizer else {
      throw Failure(
        .badData,
        "--codebook \(codebook): expected a quantizer of type \"vq\", whose codebook has entries of its own, "
          + "found \"\(run.quantizer.kind)\" in \(checkpoint). Remove --codebook")
    }
    guard codebook < quantizer.codebook.size else {
      throw Failure(
        .badData,
        "--codebook \(codebook): expected fewer than the \(quantizer.codebook.size) entries of \(checkpoint)"
      )
    }
  }

  /// The codes that were taken, and the tokenizer with them.
  struct ReducedCodebook {
    let chosen: CodebookReduction
    let quantizer: QuantizerConfiguration
    let parameters: ParameterMemory<Device>
  }

  /// Tries the ways to a smaller codebook on images, prints what each loses, and takes the best.
  func reduceCodebook(
    _ opened: OpenedTokenizer, _ size: Int, _ images: [Image], _ terminal: Terminal
  ) throws -> ReducedCodebook {
    guard case .vq(var quantizer) = opened.run.quantizer else {
      preconditionFailure("checked before")
    }
    let (dimension, count) = (quantizer.codebook.dimension, quantizer.codebook.size)
    var usage = CodebookUsage(codes: count)
    for grid in try opened.codec.encode(images) { usage.add(grid.indices) }
    let name = Tokenizer.codebookNames(opened.run.quantizer)[0]
    let codes = opened.parameters.read(parameter: opened.parameters.layout.index(of: name)!)
    quantizer.codebook.size = size
    var tokenizer = opened.run.tokenizer
    tokenizer.quantizer = .vq(quantizer)
    let before = try opened.codec.meanSquaredError(of: images)
    var table = TextTable([
      .init("codebook", isText: true), .init("codes"), .init("moved"), .init("PSNR dB"),
    ])
    func decibels(_ error: Double) -> String {
      Display.decimals(PeakSignalToNoise.decibels(meanSquaredError: error), 2)
    }
    table.add(["before", String(count), "0", decibels(before)])
    var best: (error: Double, reduced: ReducedCodebook)?
    for method in codebookBy.map({ [$0] }) ?? CodebookReduction.Method.allCases {
      let reduction = CodebookReduction(
        method, of: codes, dimension: dimension, counts: usage.counts, size: size)
      let parameters = ParameterMemory(Codec<Device>.parameterLayout(tokenizer), on: Device())
      parameters.copy(opened.parameters, replacing: [name: reduction.codes])
      let codec = Codec(
        tokenizer, parameters: parameters, lanes: options.threadCount,
        pool: LanePool(threads: options.threadCount))
      let error = try codec.meanSquaredError(of: images)
      table.add([
        method.rawValue, String(size), Display.significant(reduction.displacement, 3),
        decibels(error),
      ])
      if error < best?.error ?? .infinity {
        best = (
          error,
          ReducedCodebook(chosen: reduction, quantizer: tokenizer.quantizer, parameters: parameters)
        )
      }
    }
    guard let best else {
      throw Failure(.internal, "\(checkpoint): no codebook of \(size) codes gives finite images")
    }
    terminal.result(table.text(width: CompareCommand.outputWidth))
    terminal.result("taken: \(best.reduced.chosen.method.rawValue)")
    return best.reduced
  }

  /// Writes the new id of each old one.
  func writeMap(
    _ map: CodebookReduction, from opened: OpenedTokenizer, to run: RunConfiguration,
    _ parameters: ParameterMemory<Device>, in folder: String
  ) throws {
    let identity = Checkpoint.identity(run.tokenizer, WeightsHash(parameters))
    let object = JSONObject([
      "from": .string(opened.identity.fingerprint), "to": .string(identity.fingerprint),
      "method": .string(map.method.rawValue),
      "ids": .array(map.ids.map { .integer(Int($0)) }),
    ])
    try AtomicFile.write(
      JSONValue.object(object).compactText + "\n", to: folder + "/token-map.json")
  }
}
