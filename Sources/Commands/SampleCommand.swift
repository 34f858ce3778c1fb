import ArgumentParser
import CPUBackend
import Datasets
import Execution
import Files
import Formatting
import Foundation
import Imaging
import Inference
import Priors
import Safetensors
import TokenFiles
import Tokenizers
import Training

/// Draws images from a prior.
public struct SampleCommand: DocumentedCommand {
  /// Name, summary and examples.
  public static let configuration = documented(
    "sample", "Draws images that nobody took from a prior, token by token or vector by vector.")

  static let help = HelpText(
    paragraphs: [
      "The prior draws the tokens of each image, and the tokenizer whose tokens it has learned decodes "
        + "them. The name of --output tells what is written: a PNG or JPEG file becomes a contact "
        + "sheet, a token file (.safetensors, .npy, .bin) is for decode, and anything else a folder "
        + "of PNG files, by class where there are classes.",
      "A continuous prior draws vectors instead, patches of pixels or latents, by solving the equation of its "
        + "diffusion head: --solver and --steps say how. amed takes steps that train solver has learned.",
      "An image depends on the seed, its number and its class alone, not on how many are drawn or "
        + "by how many threads.",
      "--complete keeps the first rows of tokens of a photograph and draws the rest.",
    ],
    examples: [
      #"""
      sample --checkpoint checkpoints/prior \
        --output samples.png --count 64
      """#,
      #"""
      sample --checkpoint checkpoints/prior --class cat \
        --guidance 2 --top-p 0.95 --output cats
      """#,
      #"""
      sample --checkpoint checkpoints/prior --complete cat.png \
        --rows 4 --count 16 --output completed.png
      """#,
      #"""
      sample --checkpoint checkpoints/continuous \
        --solver amed --steps 3 --output fast.png
      """#,
      #"""
      sample --checkpoint checkpoints/prior \
        --beside photos --output sheet.png
      """#,
      #"""
      sample --checkpoint checkpoints/prior \
        --count 1000 --output drawn.safetensors
      """#,
    ])

  @Option(help: ArgumentHelp("Folder of the trained prior.", valueName: "folder"))
  var checkpoint: String

  @Option(
    help: ArgumentHelp(
      "Folder of the tokenizer (default: the one beside the prior whose tokens it has learned).",
      valueName: "folder"))
  var tokenizer: String?

  @Option(
    help: ArgumentHelp(
      "A contact sheet (.png, .jpg), a token file (.safetensors, .npy, .bin) or a folder.",
      valueName: "path"))
  var output: String

  @Option(help: ArgumentHelp("Images to draw.", valueName: "n"))
  var count = 64

  @Option(
    name: .customLong("class"),
    help: ArgumentHelp(
      "Class to draw; may be repeated, then classes take turns (default: without a class).",
      valueName: "name"))
  var classes: [String] = []

  @Option(
    help: ArgumentHelp("Logits are divided by it; below 1 is safer, above bolder.", valueName: "x"))
  var temperature = 1.0

  @Option(help: ArgumentHelp("Draw from the n likeliest tokens; 0 is all.", valueName: "n"))
  var topK = 0

  @Option(
    help: ArgumentHelp(
      "Draw from the fewest tokens that together have this probability; 1 is all.", valueName: "x"))
  var topP = 1.0

  @Option(
    help: ArgumentHelp(
      "Classifier-free guidance: how far to push towards the class; 1 is not at all.",
      valueName: "x"))
  var guidance = 1.0

  @Option(
    help: ArgumentHelp(
      "Of a continuous prior: euler, heun, midpoint, dpm2, amed, or the folder of a trained solver "
        + "(default: heun).", valueName: "name"))
  var solver: String?

  @Option(
    help: ArgumentHelp(
      "Steps of the solver for each vector (default: 18, or as many as amed was trained for).",
      valueName: "n"))
  var steps: Int?

  @Flag(
    name: .customLong("guess-first"),
    help: "Compute the solver's first direction without the network (AFS).")
  var guessesFirst = false

  @Option(help: ArgumentHelp("Random seed.", valueName: "n"))
  var seed: UInt64 = 0

  @Option(
    help: ArgumentHelp(
      "Image whose first rows of tokens are kept; --rows says how many.",
      valueName: "image"))
  var complete: String?

  @Option(help: ArgumentHelp("Rows of tokens to keep with --complete.", valueName: "n"))
  var rows: Int?

  @Option(
    help: ArgumentHelp(
      "With a contact sheet: images of this folder, list or shards in the first row, and what the tokenizer "
        + "makes of them in the second.", valueName: "folder"))
  var beside: String?

  @Option(
    help: ArgumentHelp(
      "Ending of the image in the samples of --beside, where these are shards; by default the shortest of "
        + "PNG and JPEG.", valueName: "ending"))
  var member: String?

  @Flag(help: "Replace existing files.")
  var force = false

  @OptionGroup var weights: WeightsOption

  @OptionGroup var options: CommandOptions

  /// A command as the parser fills it in.
  public init() {}

  /// Checks the values.
  public func validate() throws {
    try requireName("--checkpoint", checkpoint)
    try requireName("--tokenizer", tokenizer)
    try requireName("--output", output)
    try requireName("--complete", complete)
    try requireName("--beside", beside)
    try requireName("--member", member)
    if member != nil, beside == nil {
      throw ValidationError(
        "--member is the ending of images of --beside: add it, or remove --member")
    }
    try requireNames("--class", classes)
    guard (1...Self.mostImages).contains(count) else {
      throw ValidationError("--count: expected 1 to \(Self.mostImages), found \(count)")
    }
    guard temperature > 0, temperature.isFinite else {
      throw ValidationError(
        "--temperature: expected a number above 0, found \(temperature). For the likeliest token "
          + "always, use --top-k 1")
    }
    guard topK >= 0 else {
      throw ValidationError("--top-k: expected 1 or more, or 0 for all, found \(topK)")
    }
    guard topP > 0, topP <= 1 else {
      throw ValidationError("--top-p: expected a number above 0 and at most 1, found \(topP)")
    }
    guard guidance.isFinite else {
      throw ValidationError("--guidance: expected a number, found \(guidance)")
    }
    if guidance != 1, classes.isEmpty {
      throw ValidationError("--guidance pushes towards a class: add --class with its name")
    }
    if let steps, steps < 1 {
      throw ValidationError("--steps: expected 1 or more, found \(steps)")
    }
    if (complete == nil) != (rows == nil) {
      throw ValidationError(
        complete == nil
          ? "--rows belongs to --complete: add the image whose rows are kept"
          : "--complete: expected --rows with the number of rows of tokens to keep")
    }
  }

  /// As many as can be counted in file names.
  private static let mostImages = 10_000_000

  /// Draws.
  public func run() throws {
    try conclude(options) { terminal in
      let output = SampleOutput(path: output)
      try output.checkRoom(isForced: force)
      if beside != nil, !output.isSheet {
        throw Failure(
          .usage, "--beside is for contact sheets: give --output a name that ends in .png or .jpg")
      }
      Interruption.listen()
      if (try? Checkpoint(folder: checkpoint).kind()) == .continuous {
        try drawVectors(output, terminal)
      } else {
        try drawTokens(output, terminal)
      }
    }
  }

  /// Draws with a prior over tokens.
  private func drawTokens(_ output: SampleOutput, _ terminal: Terminal) throws {
    for (name, isGiven) in [
      ("--solver", solver != nil), ("--steps", steps != nil), ("--guess-first", guessesFirst),
    ] where isGiven {
      throw Failure(
        .usage, "\(name) is of continuous priors; \(checkpoint) is one over tokens: remove it")
    }
    let prior = try OpenedPrior(
      folder: checkpoint, weights: weights.file, backend: Device(),
      threads: options.threadCount)
    let labels = try labels(prior.tokens.classes, knowsNone: prior.knowsNone)
    let tokenizer: OpenedTokenizer? =
      output.needsTokenizer || complete != nil ? try openTokenizer(for: prior) : nil
    if let tokenizer, self.tokenizer == nil {
      terminal.say("decoding with \(tokenizer.folder), whose tokens the prior has learned")
    }
    if let beside {
      let images = try firstImages(of: beside, terminal) {
        try tokenizer!.prepared($0, prior.tokens.recipe)
      }
      output.show([images, try tokenizer!.codec.reconstruct(images).map(\.image)])
    }
    let given = try complete.map { try start(of: $0, tokenizer!, prior) }
    // Nothing is made before all that is given was read, and nothing drawn that could not be written.
    let classes = labels.isEmpty ? [] : prior.tokens.classes
    try output.open(prior.tokens, classes: classes, force: force)
    let requests = (0..<count).map { index in
      TokenSampler<Device>.Request(
        number: index, label: labels.isEmpty ? nil : labels[index % labels.count],
        given: given ?? [])
    }
    terminal.progress("arranging the weights")
    prior.sampler.prepare(images: count, guidance: guidance)
    let progress = ItemProgress(terminal, "drawing", total: count)
    let images = prior.sampler.sample(
      requests,
      SamplingOptions(
        temperature: temperature, topK: topK, topP: topP, guidance: guidance, seed: seed),
      progress: progress.reach,
      shouldStop: { Interruption.isRequested })
    let space = prior.space
    let seconds = progress.seconds
    try finish(images.count, terminal) {
      let drawn = zip(requests, images).map { request, ids in
        DrawnImage(
          number: request.number, className: request.label.map { prior.tokens.classes[$0] },
          ids: ids)
      }
      try output.write(drawn, prior.tokens, options) { range in
        try tokenizer!.codec.decode(
          drawn[range].map {
            TokenGrid(
              height: space.rows, width: space.columns, depth: space.depth, indices: $0.ids)
          })
      }
      let rate = Double(images.count) / seconds
      try output.tell(
        facts(steps: space.ids, evaluations: 0, solver: nil, rate: rate), options)
      return "\(Display.count(images.count, "image")) of \(space.rows)x\(space.columns) "
        + "tokens drawn; \(Display.count(Int(rate * Double(space.ids)))) tokens/s"
    }
  }

  /// How images were drawn.
  func facts(steps: Int, evaluations: Int, solver: String?, rate: Double) -> DrawingFacts {
    DrawingFacts(
      checkpoint: checkpoint, transformerSteps: steps, headEvaluations: evaluations,
      solver: solver, guidance: guidance, seed: seed, imagesPerSecond: rate)
  }

  /// Writes what was drawn, and says so.
  ///
  /// - Parameters:
  ///   - drawn: images that are whole.
  ///   - write: writes them, and says what they are.
  func finish(_ drawn: Int, _ terminal: Terminal, _ write: () throws -> String) throws {
    guard drawn > 0 else {
      terminal.say("stopped before an image was drawn; nothing was written")
      throw ExitCode(Interruption.exitCode)
    }
    terminal.result("\(output): \(try write())")
    if drawn < count {
      terminal.say("stopped after \(Display.count(drawn, "image")); they are written")
      throw ExitCode(Interruption.exitCode)
    }
  }

  /// The classes to draw, by number; none where images are drawn without a class.
  func labels(_ known: [String], knowsNone: Bool) throws -> [Int] {
    if classes.isEmpty, !knowsNone {
      throw Failure(
        .usage,
        "\(checkpoint) was trained with classes always (model.classDropout is 0): name classes by "
          + "--class. They are: \(known.prefix(20).joined(separator: ", "))")
    }
    if guidance != 1, !knowsNone {
      throw Failure(
        .usage,
        "--guidance needs a prior that was also trained without classes, and \(checkpoint) was not "
          + "(model.classDropout is 0): remove it, or train one with a classDropout of 0.1")
    }
    return try classes.map { name in
      guard let index = known.firstIndex(of: name) else {
        throw PriorError.noSuchClass(name: name, classes: known)
      }
      return index
    }
  }

  private func openTokenizer(for prior: OpenedPrior<Device>) throws -> OpenedTokenizer {
    let expected = prior.tokens.tokenizer
    if let tokenizer {
      let opened = try OpenedTokenizer(checkpoint: tokenizer, threads: options.threadCount)
      guard opened.decodes(expected) else {
        throw PriorError.foreignPrior(
          folder: checkpoint, found: "\(tokenizer) (\(opened.identity.fingerprint))",
          expected: expected.fingerprint)
      }
      return opened
    }
    guard
      let found = try OpenedTokenizer.find(
        expected, beside: checkpoint, threads: options.threadCount)
    else {
      throw Failure(
        .noInput,
        "expected the tokenizer whose tokens \(checkpoint) has learned (\(expected.quantizer), "
          + "fingerprint \(expected.fingerprint)) in a folder beside it, found none. Name its folder "
          + "by --tokenizer, or write a token file (--output drawn.safetensors).")
    }
    return found
  }

  /// Some images of a folder.
  ///
  /// - Parameter prepared: an image as it would be encoded.
  func firstImages(
    of folder: String, _ terminal: Terminal, _ prepared: (ImageLocation) throws -> Image
  ) throws -> [Image] {
    let inputs = try ImageInputs(
      paths: [folder], hasLabels: false, member: member,
      listing: ListingProgress(terminal).observer)
    return try inputs.files.prefix(SampleOutput.columns(for: count)).map {
      try prepared($0.location)
    }
  }

  /// The ids of an image's first rows, and -1 for those that are drawn.
  private func start(
    of path: String, _ tokenizer: OpenedTokenizer, _ prior: OpenedPrior<Device>
  ) throws -> [Int32] {
    let (space, rows) = (prior.space, rows ?? 0)
    guard (0...space.rows).contains(rows) else {
      throw Failure(.usage, "--rows: expected 0 to \(space.rows) rows of tokens, found \(rows)")
    }
    let image = try tokenizer.prepared(
      ImageLocation(file: path), prior.tokens.recipe)
    guard let grid = try tokenizer.codec.encode([image]).first,
      grid.height == space.rows, grid.width == space.columns
    else {
      throw Failure(
        .badData,
        "\(path) becomes another grid of tokens than the \(space.rows)x\(space.columns) that the "
          + "prior has learned: scale it to the size of the prior's training images")
    }
    let kept = rows * space.columns * space.depth
    return grid.indices.enumerated().map { $0.offset < kept ? $0.element : -1 }
  }
}
