import Autodiff
import CPUBackend
import Datasets
import Execution
import Imaging
import Inference
import TokenFiles
import Tokenizers
import Training

/// A trained tokenizer: images in, tokens out, and back.
///
/// ```swift
/// let tokenizer = try Tokenizer(checkpoint: "checkpoints/scenes")
/// let tokens = try tokenizer.encode(Image(contentsOf: "photo.png"))
/// try tokenizer.decode(tokens).write(to: "decoded.png")
/// ```
///
/// Ids and pixels are exactly those of the commands `encode` and `decode`: they depend neither on
/// the number of threads nor on which images are encoded together.
///
/// A tokenizer may be used from several tasks and threads at once. Calls with one image run side by
/// side, as many as there are threads; calls with several images use all threads, one such call at
/// a time. A call holds its thread until it is done.
///
/// An image that does not fit into ``memory`` is computed in tiles, which takes longer and changes no
/// bit. Layers that see the whole image, attention above all, must fit all the same; a portable build
/// computes no tiles.
public final class Tokenizer: Sendable {
  /// Which weights of a checkpoint to take.
  public enum Weights: Sendable {
    /// Those that training ended with, `model.safetensors`.
    case last
    /// The best evaluated ones, `best.safetensors`, where `monitor.keepBest` kept them.
    case best
  }

  /// How an image of any size becomes one that the model takes.
  public enum Sizing: Sendable {
    /// As it is, filled up on the right and at the bottom to whole tokens by repeating the edge;
    /// decoding cuts that off again. The command's `--size native`.
    case native
    /// Scaled and cropped in the middle to the size that the model was trained with, as the
    /// configuration's `data` says. The command's `--size model`.
    case model
  }

  /// The folder that was opened.
  public let checkpoint: String
  /// What the tokenizer was trained with.
  public let configuration: RunConfiguration
  /// What token files record of the tokenizer: quantizer, codebook, a hash of the weights.
  public let identity: TokenizerIdentity
  /// The fingerprints of other tokenizers whose tokens it decodes: of those that it was trained from with
  /// encoder and quantizer frozen.
  public let keptFingerprints: [String]
  /// Threads that compute.
  public let threads: Int
  /// Bytes of working memory that one call may take; nil for half of what there is.
  public let memory: Int?

  /// Whether nothing is quantized, as with `quantizer.type` `kl` and `none`: then there are latents,
  /// ``latents(of:sizing:)-(Image,_)`` and ``decode(latents:)-(Latents)``, and no tokens.
  public var isContinuous: Bool { identity.isContinuous }
  /// Whether there is a decoder; imported weights may be an encoder alone.
  public var canDecode: Bool { configuration.tokenizer.hasDecoder }
  /// Channels of a latent vector; nil where there are tokens.
  public var latentChannels: Int? {
    isContinuous ? configuration.quantizer.codeDimension : nil
  }
  /// Codes to choose from: ids are at least 0 and below it; 0 where nothing is quantized.
  public var codebookSize: Int { identity.codebookSize }
  /// Ids to a token.
  public var depth: Int { identity.depth }
  /// Pixels to a side of the square that one token stands for.
  public var downsampling: Int { identity.downsampling }

  private let codecs: CodecPool

  /// Opens a checkpoint.
  ///
  /// - Parameters:
  ///   - folder: what `train` wrote, or
  ///     ``train(_:to:resuming:startingFrom:threads:progress:shouldStop:)``.
  ///   - weights: which of its weights.
  ///   - threads: threads that compute; as many as there are cores where nothing is said.
  ///   - memory: bytes of working memory that one call may take, beside weights and images that the
  ///     caller holds; half of what machine, control group and `ulimit` leave where nothing is said.
  /// - Throws: ``TesseraError``: `notFound` where there is no checkpoint, `badFile` where it is
  ///   damaged, `configuration` where its `config.json` makes no sense, `memory`, `argument`.
  /// - Complexity: linear in the weights.
  public init(
    checkpoint folder: String, weights: Weights = .last, threads: Int? = nil, memory: Int? = nil
  ) throws(TesseraError) {
    guard !folder.isEmpty else {
      throw TesseraError(.argument, "checkpoint: expected a folder, found an empty name")
    }
    let threads = try checkedThreads(threads)
    if let memory, memory < 1 {
      throw TesseraError(.argument, "memory: expected at least 1 byte, found \(memory)")
    }
    let opened = try translatingErrors { try Self.open(Checkpoint(folder: folder), weights) }
    checkpoint = folder
    (self.threads, self.memory) = (threads, memory)
    configuration = opened.run
    identity = Checkpoint.identity(opened.run.tokenizer, opened.hash)
    keptFingerprints = opened.kept
    codecs = CodecPool(opened.run.tokenizer, opened.parameters, threads: threads, memory: memory)
  }

  private static func open(
    _ checkpoint: Checkpoint, _ weights: Weights
  ) throws -> (
    run: RunConfiguration, parameters: ParameterMemory<Device>, hash: WeightsHash, kept: [String]
  ) {
    let run = try checkpoint.readConfiguration()
    let file = weights == .best ? Checkpoint.bestFile : Checkpoint.modelFile
    if weights == .best, !checkpoint.hasBest {
      throw TesseraError(
        .notFound,
        "\(checkpoint.folder) holds no \(file): training keeps the best weights where monitor.keepBest "
          + "is psnr or ssim. Take the last ones.")
    }
    let layout = Codec<Device>.parameterLayout(run.tokenizer)
    var need = MemoryNeed()
    need.addWeights("weights", of: run.tokenizer, layout: layout, blocks: 1)
    try MemoryLimits().check(need, "\(checkpoint.folder): the tokenizer")
    let parameters = ParameterMemory(layout, on: Device())
    let hash = try checkpoint.readModel(file, into: parameters)
    if let name = parameters.firstNonFinite() {
      throw TesseraError(
        .badFile,
        "\(checkpoint.folder)/\(file): the tensor \"\(name)\" holds a number that is not finite. The "
          + "weights are damaged, or training diverged; use another checkpoint.")
    }
    return (run, parameters, hash, try checkpoint.keptTokens(file, run.tokenizer, hash))
  }

  // MARK: Encoding

  /// The tokens of an image.
  ///
  /// - Parameters:
  ///   - image: of any size.
  ///   - sizing: how it becomes one that the model takes.
  /// - Returns: a grid of one token for each square of ``downsampling`` pixels, rounded up.
  /// - Throws: ``TesseraError``: `memory` where the image is too large even in tiles; `argument`
  ///   where it cannot be sized so; `badFile` where damaged weights yield numbers that are not
  ///   finite.
  /// - Complexity: linear in the pixels; quadratic where the model has attention.
  public func encode(_ image: Image, sizing: Sizing = .native) throws(TesseraError) -> Tokens {
    try encode([image], sizing: sizing)[0]
  }

  /// The tokens of several images, computed by all threads.
  ///
  /// - Parameters:
  ///   - images: of any sizes; none give no tokens.
  ///   - sizing: how each becomes one that the model takes.
  /// - Returns: the tokens of each image, in order: the same as if it were alone.
  /// - Throws: as ``encode(_:sizing:)-(Image,_)``.
  public func encode(
    _ images: [Image], sizing: Sizing = .native
  ) throws(TesseraError) -> [Tokens] {
    try requireTokens()
    let sized = try sized(images, sizing)
    let sizes = sized.map { (height: $0.image.height, width: $0.image.width) }
    let grids = try translatingErrors {
      try codecs.withCodec(for: .encode, sizes) { try $0.encode(sized.map(\.image)) }
    }
    return zip(grids, sized).map { Tokens($0, width: $1.width, height: $1.height) }
  }

  /// The tokens of an image given as bytes.
  ///
  /// - Parameters:
  ///   - rgb: `width * height * 3` bytes: red, green and blue of each pixel, row by row from the
  ///     top left.
  ///   - width: pixels in a row.
  ///   - height: rows.
  ///   - sizing: how it becomes an image that the model takes.
  /// - Throws: ``TesseraError``: `argument` where the counts do not agree; else as for an image.
  public func encode(
    rgb: [UInt8], width: Int, height: Int, sizing: Sizing = .native
  ) throws(TesseraError) -> Tokens {
    try encode(Image(rgb: rgb, width: width, height: height), sizing: sizing)
  }

  /// The tokens of an image given as numbers, which need not be those of bytes.
  ///
  /// Byte `b` is the number `b / 127.5 - 1`: numbers made so give the tokens of the image. Sides
  /// that are no multiples of ``downsampling`` are filled up as by `native`.
  ///
  /// - Parameters:
  ///   - numbers: `[height, width, 3]`, each in [-1, 1].
  ///   - width: pixels in a row.
  ///   - height: rows.
  /// - Throws: ``TesseraError``: `argument` where the counts do not agree, or a number is NaN or
  ///   beyond [-1, 1]; else as for an image.
  public func encode(
    _ numbers: [Float], width: Int, height: Int
  ) throws(TesseraError) -> Tokens {
    try requireTokens()
    try checkCount(numbers.count, "numbers", width: width, height: height)
    if let place = numbers.firstIndex(where: { !(abs($0) <= 1) }) {
      throw TesseraError(
        .argument,
        "number \(place) is \(numbers[place]): expected numbers in [-1, 1], as byte / 127.5 - 1")
    }
    let size = (
      height: roundedUp(height, to: downsampling), width: roundedUp(width, to: downsampling)
    )
    let grids = try translatingErrors {
      try codecs.withCodec(for: .encode, [size], isNumbers: true) { codec in
        try codec.encode([size]) { _, target in
          for y in 0..<size.height {
            let row = min(y, height - 1) * width
            for x in 0..<size.width {
              let (source, place) = ((row + min(x, width - 1)) * 3, (y * size.width + x) * 3)
              for channel in 0..<3 { target[place + channel] = numbers[source + channel] }
            }
          }
        }
      }
    }
    return Tokens(grids[0], width: width, height: height)
  }

  // MARK: Decoding

  /// The image that tokens stand for.
  ///
  /// - Parameter tokens: of this tokenizer; ids may come from anywhere.
  /// - Returns: an image of the size that was encoded, or of the whole grid where that is not
  ///   known.
  /// - Throws: ``TesseraError``: `argument` where an id is not below ``codebookSize``, the depth is
  ///   another, the image is larger than its grid, or has more than 89,478,485 pixels (with ``memory``,
  ///   more than can fit into it); `memory`.
  /// - Complexity: linear in the pixels; quadratic where the model has attention.
  public func decode(_ tokens: Tokens) throws(TesseraError) -> Image {
    try decode([tokens])[0]
  }

  /// The images that tokens stand for, computed by all threads.
  ///
  /// - Parameter tokens: a grid for each image; none give no images.
  /// - Throws: as ``decode(_:)-(Tokens)``.
  public func decode(_ tokens: [Tokens]) throws(TesseraError) -> [Image] {
    try requireTokens()
    try requireDecoder()
    var sizes: [(height: Int, width: Int)] = []
    for (index, tokens) in tokens.enumerated() { sizes.append(try size(of: tokens, index)) }
    let images = try translatingErrors {
      try codecs.withCodec(for: .decode, sizes) { try $0.decode(tokens.map(\.grid)) }
    }
    return zip(images, tokens).map { image, tokens in
      image.cropped(
        x: 0, y: 0, width: tokens.width ?? image.width, height: tokens.height ?? image.height)
    }
  }

  /// The image that a grid of ids stands for.
  ///
  /// - Parameters:
  ///   - ids: `[rows, columns]`, and `[rows, columns, depth]` for a tokenizer with several to a
  ///     token.
  ///   - rows: rows of the grid.
  ///   - columns: columns of the grid.
  /// - Throws: as ``decode(_:)-(Tokens)``.
  public func decode(
    ids: [some BinaryInteger], rows: Int, columns: Int
  ) throws(TesseraError) -> Image {
    try decode(Tokens(ids: ids, rows: rows, columns: columns, depth: depth))
  }

  // MARK: Latents

  /// The latents of an image, where nothing is quantized; of distributions their means.
  ///
  /// - Parameters:
  ///   - image: of any size.
  ///   - sizing: how it becomes one that the model takes.
  /// - Throws: ``TesseraError``: `argument` where the tokenizer makes tokens; else as
  ///   ``encode(_:sizing:)-(Image,_)``.
  /// - Complexity: linear in the pixels; quadratic where the model has attention.
  public func latents(of image: Image, sizing: Sizing = .native) throws(TesseraError) -> Latents {
    try latents(of: [image], sizing: sizing)[0]
  }

  /// The latents of several images, computed by all threads: those of each as if it were alone.
  ///
  /// - Parameters:
  ///   - images: of any sizes; none give no latents.
  ///   - sizing: how each becomes one that the model takes.
  /// - Throws: as ``latents(of:sizing:)-(Image,_)``.
  public func latents(
    of images: [Image], sizing: Sizing = .native
  ) throws(TesseraError) -> [Latents] {
    try requireLatents()
    let sized = try sized(images, sizing)
    let sizes = sized.map { (height: $0.image.height, width: $0.image.width) }
    let grids = try translatingErrors {
      try codecs.withCodec(for: .encode, sizes) {
        try $0.latents(of: sized.map(\.image), drawnBy: nil)
      }
    }
    return zip(grids, sized).map { Latents($0, width: $1.width, height: $1.height) }
  }

  /// The image that latents stand for.
  ///
  /// - Parameter latents: of this tokenizer, not standardized; a generative model may have made them.
  /// - Returns: an image of the size that was encoded, or of the whole grid where that is not known.
  /// - Throws: ``TesseraError``: `argument` where the tokenizer makes tokens, a latent is not finite,
  ///   the channels are others, the image is larger than its grid, or has more than 89,478,485 pixels
  ///   (with ``memory``, more than can fit into it); `memory`.
  /// - Complexity: linear in the pixels; quadratic where the model has attention.
  public func decode(latents: Latents) throws(TesseraError) -> Image {
    try decode(latents: [latents])[0]
  }

  /// The images that latents stand for, computed by all threads.
  ///
  /// - Parameter latents: a grid for each image; none give no images.
  /// - Throws: as ``decode(latents:)-(Latents)``.
  public func decode(latents: [Latents]) throws(TesseraError) -> [Image] {
    try requireLatents()
    try requireDecoder()
    var sizes: [(height: Int, width: Int)] = []
    for (index, latents) in latents.enumerated() {
      guard latents.channels == latentChannels else {
        throw TesseraError(
          .argument,
          "image \(index): expected latent vectors of \(latentChannels ?? 0) channels, found "
            + "\(latents.channels)")
      }
      sizes.append(
        try size(
          rows: latents.rows, columns: latents.columns, width: latents.width,
          height: latents.height, "latent vectors", index))
    }
    let images = try translatingErrors {
      try codecs.withCodec(for: .decode, sizes) { try $0.decode(latents: latents.map(\.grid)) }
    }
    return zip(images, latents).map { image, latents in
      image.cropped(
        x: 0, y: 0, width: latents.width ?? image.width, height: latents.height ?? image.height)
    }
  }

  private func requireDecoder() throws(TesseraError) {
    guard !canDecode else { return }
    throw TesseraError(
      .argument,
      "\(checkpoint) holds an encoder alone, imported from \(configuration.origin.file), which makes tokens "
        + "and no images: import a file that has the decoder too")
  }

  private func requireTokens() throws(TesseraError) {
    guard isContinuous else { return }
    throw TesseraError(
      .argument,
      "\(checkpoint) has the bottleneck \"\(identity.quantizer)\", which makes latents and no tokens: use "
        + "latents(of:) and decode(latents:)")
  }

  private func requireLatents() throws(TesseraError) {
    guard !isContinuous else { return }
    throw TesseraError(
      .argument,
      "\(checkpoint) has the quantizer \"\(identity.quantizer)\", which makes tokens: use encode and decode"
    )
  }

  // MARK: Evaluating

  /// How well the tokenizer reconstructs images: PSNR and SSIM on 8-bit RGB, use of the codebook,
  /// quantization error, bits per pixel.
  ///
  /// - Parameters:
  ///   - images: at least one.
  ///   - sizing: how each becomes one that the model takes; with `native`, sides must be multiples
  ///     of ``downsampling``, so that no pixel is evaluated that the image does not have.
  /// - Throws: ``TesseraError``: `argument` where there are no images or one cannot be sized so;
  ///   `memory`; `badFile`.
  /// - Complexity: linear in the pixels of all images; memory for a few dozen of them at a time.
  public func evaluate(
    _ images: [Image], sizing: Sizing = .model
  ) throws(TesseraError) -> EvaluationResult {
    try requireDecoder()
    guard !images.isEmpty else {
      throw TesseraError(.argument, "expected at least one image to evaluate with, found none")
    }
    let sized = try sized(images, sizing)
    for (index, sized) in sized.enumerated()
    where sized.image.width != sized.width || sized.image.height != sized.height {
      throw TesseraError(
        .argument,
        "image \(index): \(sized.width)x\(sized.height) pixels: expected sides that are multiples of "
          + "\(downsampling) to evaluate with. Crop or resize it, or let sizing be model.")
    }
    let sizes = sized.map { (height: $0.image.height, width: $0.image.width) }
    return try translatingErrors {
      try codecs.withCodec(for: .reconstruct, sizes) {
        try Evaluator.evaluate(sized.map(\.image), with: $0)
      }
    }
  }

  // MARK: Sizes

  /// An image that the model takes, and how much of it is the image.
  private struct Sized {
    let image: Image
    let width: Int
    let height: Int
  }

  private func sized(_ images: [Image], _ sizing: Sizing) throws(TesseraError) -> [Sized] {
    try translatingErrors {
      try images.enumerated().map { index, image in
        switch sizing {
        case .native:
          return Sized(
            image: image.padded(toMultipleOf: downsampling), width: image.width,
            height: image.height)
        case .model:
          let recipe = configuration.data.augmentation.withoutChance
          let square = try recipe.middleSquare(of: image, file: "image \(index)")
          return Sized(image: square, width: recipe.size, height: recipe.size)
        }
      }
    }
  }

  /// The size in pixels of what tokens decode to, if they can be decoded.
  private func size(
    of tokens: Tokens, _ index: Int
  ) throws(TesseraError) -> (height: Int, width: Int) {
    guard tokens.depth == depth else {
      throw TesseraError(
        .argument,
        "image \(index): expected \(depth) ids to a token, as \(identity.quantizer) has, found "
          + "\(tokens.depth)")
    }
    return try size(
      rows: tokens.rows, columns: tokens.columns, width: tokens.width, height: tokens.height,
      "tokens", index)
  }

  /// The size in pixels of what a grid decodes to, if it can be decoded.
  ///
  /// - Parameter cells: what it is a grid of, for messages.
  private func size(
    rows: Int, columns: Int, width known: Int?, height knownHeight: Int?, _ cells: String,
    _ index: Int
  ) throws(TesseraError) -> (height: Int, width: Int) {
    let limit = codecs.pixelLimit(ImageDecoder.defaultPixelLimit)
    // Every cell is in memory, so the product of rows and columns is no larger than that.
    guard rows * columns <= limit / (downsampling * downsampling) else {
      throw TesseraError(
        .argument,
        "image \(index): \(rows)x\(columns) \(cells) stand for more than the limit of "
          + "\(limit) pixels")
    }
    let (height, width) = (rows * downsampling, columns * downsampling)
    guard knownHeight ?? height <= height, known ?? width <= width else {
      throw TesseraError(
        .argument,
        "image \(index): \(known ?? width)x\(knownHeight ?? height) pixels are more than its "
          + "\(rows) rows and \(columns) columns of \(cells) hold, \(width)x\(height)")
    }
    return (height, width)
  }
}

private func roundedUp(_ side: Int, to multiple: Int) -> Int {
  (side + multiple - 1) / multiple * multiple
}
