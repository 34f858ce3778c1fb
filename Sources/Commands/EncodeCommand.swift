import ArgumentParser
import Datasets
import Files
import Formatting
import Foundation
import Imaging
import Inference
import Safetensors
import TokenFiles
import Tokenizers
import Training

/// Turns images into tokens, or into latents where nothing is quantized.
public struct EncodeCommand: DocumentedCommand {
  /// Name, summary and examples.
  public static let configuration = documented(
    "encode", "Turns PNG and JPEG files into tokens or latents of a trained tokenizer.")

  static let help = HelpText(
    paragraphs: [
      "Each path is an image, a folder that is searched recursively, a list (.txt) of paths, each with a label "
        + "behind a tab if it has one, or WebDataset shards: a .tar, a folder "
        + "of them, or a pattern such as shards/{000..099}.tar, quoted or not. The "
        + "token file holds the images' names: within a single folder the paths in it, "
        + "otherwise as much of each path as distinguishes all names. Images are encoded in "
        + "the order of their names, in bounded memory. A file that cannot be used is named "
        + "with the reason and skipped; the exit code is then 65.",
      "The token file also holds a label for each image: its class is the first folder below the "
        + "path given, such as cats for photos/cats/a.png of photos. Images directly in that folder, "
        + "and files that are named themselves, have none. That of a sample in a shard is what its .cls or "
        + ".json says, that of a line in a list is behind its tab. --no-labels leaves labels out.",
      "The file extension determines the format: .safetensors is a self-describing file; "
        + ".npy and .bin hold only the ids, with the rest in .npy.json or .bin.json beside them. "
        + "--format megatron adds the index with which Megatron-LM reads .bin, an image a sequence; "
        + "--format webdataset, or a name that ends in .tar, writes shards NAME-000000.tar of samples: key.npy "
        + "with the ids of one image, and key.cls with its label. With "
        + "--shard, numbered shards are written one by one, and --resume continues after "
        + "the last complete shard; without it nothing is written before all images are "
        + "encoded. With --force, existing output stays until the new tokens are complete.",
      "--part i/n encodes one of n parts of the images: n processes, on as many machines as you like, see "
        + "the same paths and write NAME.part-i-of-n each. --merge checks that all of them are there, of one set, "
        + "tokenizer and recipe, and joins them into NAME: the very file that one process would have written.",
      "--flip encodes the mirror image of each image too, as an image of its own right behind it, named "
        + "a.mirrored.png for a.png.",
      "A checkpoint whose quantizer is kl or none makes latents, floats [N, h, w, d] of one grid, and "
        + "no tokens: .safetensors or .npy, in one file, with mean and deviation of each channel. "
        + "--standardize writes (x - mean) / deviation, --scale (x - shiftFactor) * scalingFactor of the "
        + "checkpoint, as latent diffusion takes them; decode undoes both. Of a kl checkpoint they are means, "
        + "unless --sample draws them.",
      "An image that does not fit into memory is computed in tiles: the tokens are the same, bit by bit. "
        + "--memory sets how much may be used. Attention sees the whole image, and must fit.",
      "Transparent pixels are composited over the background of the checkpoint's configuration "
        + "(data.background).",
      "--recipe prepares images by the rules of other programs, byte for byte, so that their tokenizers "
        + "give their ids: adm (LlamaGen, DiT, RAR, MAR), torchvision (Resize and CenterCrop), chameleon, "
        + "diffusers. Without it the checkpoint's own rules count.",
    ],
    examples: [
      #"""
      encode --checkpoint checkpoints/fsq \
        --output t.safetensors photos
      """#,
      #"""
      encode --checkpoint checkpoints/fsq --size native \
        --output t.safetensors --verify a.png
      """#,
      #"""
      encode --checkpoint checkpoints/fsq --size native \
        --memory 2GB --output t.safetensors scan.png
      """#,
      #"""
      encode --checkpoint checkpoints/vq --output t.bin \
        --size 256x256 --shard 10000 photos
      """#,
      #"""
      encode --checkpoint checkpoints/vq --output t.bin \
        --size 256x256 --shard 10000 --resume photos
      """#,
      #"""
      encode --checkpoint checkpoints/vq --part 2/8 \
        --output t.bin --shard 10000 --resume photos
      """#,
      "encode --merge --output t.bin",
      #"""
      encode --checkpoint checkpoints/vq --output t.bin \
        --format megatron --dtype uint16 photos
      """#,
      #"""
      encode --checkpoint checkpoints/vq --output t.tar \
        'shards/{000..099}.tar'
      """#,
      #"""
      encode --checkpoint checkpoints/fsq \
        --prior checkpoints/prior --output small.safetensors \
        photos
      """#,
      #"""
      encode --checkpoint checkpoints/vq --recipe adm \
        --size 256x256 --output t.safetensors photos
      """#,
      #"""
      encode --checkpoint checkpoints/kl --standardize \
        --output latents.safetensors photos
      """#,
      #"""
      encode --checkpoint checkpoints/sdxl-vae --scale \
        --sample --output latents.safetensors photos
      """#,
    ])

  @Option(help: ArgumentHelp("Folder of the trained run.", valueName: "folder"))
  var checkpoint = ""

  @Option(
    help: ArgumentHelp(
      "Token file to write; the format's extension is added if there is none.", valueName: "file"))
  var output: String

  @Option(
    help: ArgumentHelp(
      "Output format; by default that of the file extension. megatron is bin with an index .idx, webdataset "
        + "is .tar shards of .npy.",
      valueName: "safetensors|npy|bin|megatron|webdataset"))
  var format: EncodedFormat?

  @Option(
    help: ArgumentHelp(
      "Integers that ids are written as; by default the smallest that holds the codebook.",
      valueName: "uint8|uint16|uint32"))
  var dtype: IdType?

  @Option(
    help: ArgumentHelp(
      "Size of the images: as in training (model), their own (native), or a size in pixels such "
        + "as 256x192 that they are scaled to cover and cropped to; 256 is 256x256.",
      valueName: "model|native|WxH"))
  var size: SizeMode = .model

  @Option(
    help: ArgumentHelp(
      "Rules by which files become pixels, instead of the checkpoint's own (data.recipe): this program's, "
        + "or byte for byte those of the program whose tokenizer it is.",
      valueName: ImageRecipe.Name.allCases.map(\.rawValue).joined(separator: "|")))
  var recipe: ImageRecipe.Name?

  @Option(
    help: ArgumentHelp(
      "Filter of --recipe torchvision; by default bilinear.", valueName: "bilinear|bicubic|lanczos")
  )
  var filter: PillowFilter?

  @Option(help: ArgumentHelp("Write shards of n images each.", valueName: "n"))
  var shard: Int?

  @Flag(help: "Continue after the last complete shard.")
  var resume = false

  @Flag(help: "Replace existing output once the new tokens are complete.")
  var force = false

  @Option(
    help: ArgumentHelp(
      "Encode one of n parts of the images, into NAME.part-i-of-n; run n of these side by side, then --merge.",
      valueName: "i/n"))
  var part: PartOption?

  @Flag(help: "Join the parts of --output into it, without checkpoint and images.")
  var merge = false

  @Option(
    help: ArgumentHelp(
      "Write counts, throughput, use of the codebook and the files that were skipped as JSON.",
      valueName: "file"))
  var summary: String?

  @Option(
    help: ArgumentHelp(
      "Ending of the image in the samples of shards, such as seg.png; by default the shortest of PNG and "
        + "JPEG.", valueName: "ending"))
  var member: String?

  @Flag(help: "Record no classes of images.")
  var noLabels = false

  @Flag(help: "Encode the mirror image of each image too, right behind it.")
  var flip = false

  @Option(
    help: ArgumentHelp(
      "Write the tokens in as few bits as this prior expects; decode needs it too.",
      valueName: "folder"))
  var prior: String?

  @OptionGroup var latents: LatentOptions

  @Flag(help: "Decode the written tokens and compare them with the model's forward pass.")
  var verify = false

  @OptionGroup var memory: MemoryOption

  @OptionGroup var weights: WeightsOption

  @OptionGroup var options: CommandOptions

  @Argument(help: ArgumentHelp("Images and folders of images.", valueName: "path"))
  var paths: [String] = []

  /// A command as the parser fills it in.
  public init() {}

  /// Checks the values.
  public func validate() throws {
    try requireName("--output", output)
    if merge { try validateMerge() } else { try requireSource() }
    if part != nil, prior != nil {
      throw ValidationError("--prior writes one file of its own: remove --part")
    }
    if let shard, shard < 1 {
      throw ValidationError("--shard: expected at least 1 image per shard, found \(shard)")
    }
    if filter != nil, recipe != .torchvision {
      throw ValidationError("--filter is that of --recipe torchvision: add it, or remove --filter")
    }
    if let filter, !ImageRecipe.filters.contains(filter) {
      throw ValidationError(
        "--filter \(filter.rawValue): expected bilinear, bicubic or lanczos with --recipe torchvision"
      )
    }
    try requireName("--prior", prior)
    try requireName("--summary", summary)
    try requireName("--member", member)
    let isOther = (format ?? .safetensors) != .safetensors || dtype != nil
    if prior != nil, shard != nil || resume || verify || isOther || summary != nil {
      throw ValidationError(
        "--prior writes one safetensors file of its own: remove --shard, --resume, --verify, --summary, "
          + "--dtype and --format")
    }
    if format == .megatron, dtype == .uint32 {
      throw ValidationError(
        "--dtype uint32: Megatron-LM reads no such integers. Remove it: larger ids are written as int32"
      )
    }
    if flip, let shard, shard % 2 != 0 {
      throw ValidationError(
        "--shard \(shard): expected an even number with --flip, so that no image is parted from its mirror "
          + "image")
    }
    if resume, force {
      throw ValidationError("--resume keeps existing output and --force replaces it: choose one")
    }
  }

  /// Images and something to encode them with are needed.
  private func requireSource() throws {
    guard !checkpoint.isEmpty else {
      throw ValidationError("expected --checkpoint with the folder of a trained run")
    }
    guard !paths.isEmpty else {
      throw ValidationError("expected images or folders of images")
    }
    try requireNames("<path>", paths)
  }

  /// What is joined is there already.
  private func validateMerge() throws {
    let given: [(String, Bool)] = [
      ("--checkpoint", !checkpoint.isEmpty), ("<path>", !paths.isEmpty), ("--part", part != nil),
      ("--prior", prior != nil), ("--verify", verify), ("--flip", flip),
      ("--recipe", recipe != nil), ("--size", size != .model), ("--no-labels", noLabels),
      ("--sample", latents.sample), ("--member", member != nil), ("--memory", memory.memory != nil),
    ]
    if let option = given.first(where: \.1)?.0 {
      throw ValidationError(
        "--merge joins parts that are encoded already: remove \(option), or --merge")
    }
  }

  /// Encodes.
  public func run() throws {
    try conclude(options) { terminal in
      if merge { return try mergeParts(terminal) }
      if format == .megatron, let named = TokenFormat(path: output), named != .bin {
        throw Failure(
          .usage,
          "--output \(output) ends in .\(named.rawValue), but --format megatron writes .bin and .idx. "
            + "Change the extension.")
      }
      var samples = try ShardOutput(path: output, format: format)
      if samples != nil { try checkSampleOptions() }
      var target = try TokenOutput(
        path: samples?.stem ?? output, format: samples.map { _ in .npy } ?? format?.format)
      if let part { (target, samples) = (try target.part(part), samples?.part(part)) }
      guard prior == nil || target.format == .safetensors else {
        throw Failure(
          .usage,
          "--output \(output): --prior writes a safetensors file, not .\(target.format.rawValue). Change "
            + "the extension")
      }
      // With a prior, ids lie beside the output until they are coded.
      let output =
        prior == nil ? target : try TokenOutput(path: target.path + ".ids", format: .safetensors)
      defer { if prior != nil { try? FileManager.default.removeItem(atPath: output.path) } }
      Interruption.listen()
      var inputs = try ImageInputs(
        paths: paths, hasLabels: !noLabels, member: member,
        listing: ListingProgress(terminal).observer)
      let share = part.map {
        EncodedPart($0.number, of: $0.total, names: inputs.files.lazy.map(\.name))
      }
      if flip { try inputs.addMirrors() }
      // Names and keys are those of the whole set.
      if samples != nil { try inputs.nameByKeys() }
      if let share { inputs.keep(share.range) }
      for warning in inputs.warnings { terminal.warn(warning) }
      var leftOut = LeftOut(terminal)
      for image in inputs.leftOut {
        leftOut.tell(image.reason, kind: "have names that are not UTF-8")
      }
      leftOut.finish()
      for note in inputs.notes { terminal.say(note) }
      let unnamed = inputs.leftOut.reduce(0) { $0 + $1.imageCount }
      let tokenizer = try OpenedTokenizer(
        checkpoint: checkpoint, weights: weights.file, for: verify ? .decoding : .encoding,
        threads: options.threadCount)
      try checkOptions(tokenizer, target)
      let side = tokenizer.identity.downsampling
      try size.check(downsampling: side)
      var augmentation = tokenizer.run.data.augmentation.withoutChance
      if let recipe { augmentation = augmentation.following(ImageRecipe(recipe, filter: filter)) }
      try size.check(augmentation.recipe)
      var preparation = Preparation(
        mode: size, augmentation: augmentation, downsampling: side,
        background: tokenizer.run.data.background)
      let codec = BoundedCodec(tokenizer, memory: memory.bytes, terminal)
      let tasks: [BoundedCodec.Task] =
        [latents.sample ? .draw : .encode] + (verify ? [.reconstruct, .decode] : [])
      preparation.mostPixels = codec.mostPixels(tasks)
      preparation.pixelLimit = memory.pixelLimit(tasks, codec)
      preparation.hasMirrors = flip
      if case .fixed(let width, let height) = size {
        // Known before any image is: not to be found out once for each of them.
        try codec.check(tasks, height: height, width: width, name: "--size \(size.text)")
      }
      if !resume, samples == nil { try target.checkRoom(isForced: force) }
      let coder = try prior.map {
        try openPrior($0, for: tokenizer.identity, named: checkpoint, options)
      }
      if tokenizer.run.quantizer.isContinuous {
        return try encodeLatents(
          inputs, tokenizer, codec, preparation, to: target, part: share, unnamed: unnamed, terminal
        )
      }
      if let samples {
        return try encodeSamples(
          inputs, tokenizer, codec, preparation, to: samples, part: share, unnamed: unnamed,
          terminal)
      }
      let writer = try makeWriter(
        output, tokenizer.identity, preparation.recipe, inputs.classes, share)
      let run = EncodingRun(
        codec: codec, preparation: preparation, target: .tokens(writer),
        threads: options.threadCount,
        alsoChecks: verify ? [.reconstruct, .decode] : [])
      let files = inputs.files.without(writer.finishedPaths)
      try encode(files, of: inputs, run, part: share, unnamed: unnamed, terminal) { outcome in
        let written = try writer.finish(rejected: outcome.rejections)
        // What was there when the run began has been checked then.
        let tokens = try TokenFile.open(
          path: output.path, trusting: Set(written.prefix(writer.foundCount)),
          mayBeEmpty: share != nil)
        guard let coder else { return try .tokens(tokens, at: output.path) }
        let text = try coder.write(tokens, named: output.path, to: target.path, terminal)
        return WrittenImages(place: target.path, text: { _ in text }, json: { $0.json() })
      }
    }
  }

  /// Refuses options that make no sense for latents, or only for them.
  private func checkOptions(_ tokenizer: OpenedTokenizer, _ target: TokenOutput) throws {
    let kind = tokenizer.run.quantizer.kind
    let codes = tokenizer.identity.codebookSize
    if let dtype, !tokenizer.run.quantizer.isContinuous, codes > 1 << (dtype.element.byteCount * 8)
    {
      throw Failure(
        .usage,
        "--dtype \(dtype.rawValue): the ids of \(checkpoint) are 0 to \(codes - 1), and this type ends at "
          + "\(1 << (dtype.element.byteCount * 8) - 1). Use --dtype "
          + "\(IdType(of: tokenizer.identity).rawValue), or remove it.")
    }
    try latents.check(tokenizer.run.quantizer, of: checkpoint)
    guard tokenizer.run.quantizer.isContinuous else { return }
    let refused: [(option: String, isThere: Bool, reason: String)] = [
      ("--prior", prior != nil, "a prior codes tokens"),
      ("--dtype", dtype != nil, "they are 32-bit floats"),
      ("--flip", flip, "a prior of latents would be judged by mirror images of what it learned"),
      ("--shard", shard != nil, "their mean and deviation are those of one file"),
      ("--resume", resume, "they are written in one file"),
      ("--standardize", part != nil && latents.standardize, "parts are standardized by --merge"),
      ("--scale", part != nil && latents.scale, "parts are scaled by --merge"),
      ("--verify", verify && latents.reasonNotToVerify != nil, latents.reasonNotToVerify ?? ""),
    ]
    for (option, isThere, reason) in refused where isThere {
      throw Failure(
        .usage,
        "\(option): \(checkpoint) (quantizer.type \"\(kind)\") makes latents, and \(reason): remove it"
      )
    }
    if try ShardOutput(path: output, format: format) != nil {
      throw Failure(
        .usage,
        "--format webdataset: \(checkpoint) (quantizer.type \"\(kind)\") makes latents, which are written as "
          + ".safetensors or .npy: change the format")
    }
    if target.format == .bin {
      throw Failure(
        .usage,
        "\(target.path): \(checkpoint) (quantizer.type \"\(kind)\") makes latents, which are written as "
          + ".safetensors or .npy: change the format")
    }
  }

  private func makeWriter(
    _ output: TokenOutput, _ identity: TokenizerIdentity, _ recipe: Recipe, _ classes: [String],
    _ part: EncodedPart?
  ) throws -> TokenWriter {
    do {
      return try TokenWriter(
        path: output.path, format: output.format, identity: identity, recipe: recipe,
        classes: classes, idType: dtype?.element, hasIndex: format == .megatron, part: part,
        shard: shard, resume: resume, replace: force || prior != nil)
    } catch {
      let failure = Failure(writing: error)
      guard case .otherClasses(_, let found, _) = error, found.isEmpty != noLabels else {
        throw failure
      }
      throw Failure(
        failure.code,
        failure.description
          + (noLabels
            ? " To continue with labels, remove --no-labels."
            : " To continue without labels, add --no-labels."))
    }
  }

  /// Says how to continue a failed or interrupted run with shards.
  func explainingPieces<R>(_ body: () throws -> R) throws -> R {
    let areSamples = try ShardOutput(path: output, format: format) != nil
    let goOn =
      merge && !areSamples
      ? "The parts are unchanged: run it again" + (shard != nil && !force ? " with --force." : ".")
      : !areSamples && shard == nil
        ? "Nothing was written, and existing output is unchanged."
        : "The finished shards stay; run again with --resume to continue after them"
          + (force ? ". Existing output stays until they are complete." : ".")
    do {
      return try body()
    } catch let error as TokenFileError {
      let failure = Failure(writing: error)
      throw error.leavesOutputInPlace
        ? failure : Failure(failure.code, failure.description + " " + goOn)
    } catch is EncodingInterrupted {
      Terminal(isQuiet: options.quiet).say("stopped. \(goOn)")
      throw ExitCode(Interruption.exitCode)
    }
  }
}

extension Failure {
  /// What kept tokens from being written; an output that cannot be made is not bad data.
  init(writing error: TokenFileError) {
    let failure = Failure(error)
    switch error {
    case .output, .latentOutput: self.init(.cannotCreate, failure.description)
    case .halfReplaced: self.init(.inputOutput, failure.description)
    default: self = failure
    }
  }
}

extension TokenFileError {
  /// Whether new tokens took their place before this happened.
  fileprivate var leavesOutputInPlace: Bool {
    switch self {
    case .halfReplaced: true
    case .file(let error): error.isInPlace
    default: false
    }
  }
}
