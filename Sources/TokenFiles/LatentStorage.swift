import Files
import Safetensors

/// The numbers of a latent file: where they lie, of what type, in what order.
///
/// What is written here is F32 `[N, h, w, d]`. Other programs write `[N, d, h, w]` too, and 16 bits.
struct LatentStorage: Sendable {
  /// The bytes.
  let place: Place
  /// F32; F16 or BF16 where another program wrote them.
  let type: ElementType
  /// The extents in the file.
  let shape: [Int]
  /// Whether the channels stand before rows and columns, `[N, d, h, w]`.
  var isChannelsFirst = false

  /// Where bytes lie.
  enum Place: Sendable {
    case tensor(SafetensorsFile, TensorEntry)
    case flat(ReadableFile, start: Int)
  }

  /// Images.
  var count: Int { shape[0] }
  /// Rows of a grid.
  var rows: Int { shape[isChannelsFirst ? 2 : 1] }
  /// Columns of a grid.
  var columns: Int { shape[isChannelsFirst ? 3 : 2] }
  /// Channels of a vector.
  var channels: Int { shape[isChannelsFirst ? 1 : 3] }
  /// Numbers of an image.
  var numbers: Int { shape[1] * shape[2] * shape[3] }

  /// Reads the latents of one image, `[rows, columns, channels]`.
  ///
  /// - Parameters:
  ///   - image: 0 ..< `count`.
  ///   - target: room for them.
  ///   - bytes: sees what stands in the file.
  func read(
    _ image: Int, into target: UnsafeMutablePointer<Float>,
    bytes: (UnsafeRawBufferPointer) -> Void = { _ in }
  ) throws(TokenFileError) {
    if type == .f32, !isChannelsFirst {
      let room = UnsafeMutableRawBufferPointer(
        start: target, count: numbers * MemoryLayout<Float>.stride)
      try read(into: room, at: image * room.count)
      return bytes(UnsafeRawBufferPointer(room))
    }
    let raw = UnsafeMutableRawBufferPointer.allocate(
      byteCount: numbers * type.byteCount, alignment: 8)
    defer { raw.deallocate() }
    try read(into: raw, at: image * raw.count)
    bytes(UnsafeRawBufferPointer(raw))
    guard let floats = type.floats(UnsafeRawBufferPointer(raw)) else {
      preconditionFailure("latents are floats")
    }
    let (places, channels) = (rows * columns, channels)
    for place in 0..<places {
      for channel in 0..<channels {
        target[place * channels + channel] =
          floats[isChannelsFirst ? channel * places + place : place * channels + channel]
      }
    }
  }

  private func read(
    into target: UnsafeMutableRawBufferPointer, at offset: Int
  ) throws(TokenFileError) {
    switch place {
    case .flat(let file, let start):
      do { try file.read(into: target, at: start + offset) } catch { throw .file(error) }
    case .tensor(let file, let entry):
      do { try file.read(entry, from: offset, into: target) } catch {
        if case .file(let error) = error { throw .file(error) }
        throw .safetensors(error)
      }
    }
  }
}

/// What is taken for granted of latents that come without a word on their autoencoder, as other programs
/// write them.
public struct LatentAssumption: Sendable {
  /// The autoencoder that is to decode them.
  public let identity: TokenizerIdentity
  /// Channels of a latent vector: which axis is that of the channels.
  public let channels: Int
  /// How they were scaled; nil where they are as the decoder takes them.
  public let scaling: LatentScaling?

  /// An assumption.
  public init(identity: TokenizerIdentity, channels: Int, scaling: LatentScaling? = nil) {
    (self.identity, self.channels, self.scaling) = (identity, channels, scaling)
  }
}

/// Latents as generative models take them: `(x - shift) factor`, as diffusers' `scaling_factor` and
/// `shift_factor` say.
public struct LatentScaling: Sendable, Equatable {
  /// What they are multiplied by; above 0.
  public let factor: Float
  /// What is subtracted before.
  public let shift: Float

  /// A scaling.
  public init(factor: Float, shift: Float) { (self.factor, self.shift) = (factor, shift) }

  /// What is subtracted from each channel.
  func mean(channels: Int) -> [Float] { Array(repeating: shift, count: channels) }

  /// What each channel is divided by then.
  func deviation(channels: Int) -> [Float] { Array(repeating: 1 / factor, count: channels) }
}

/// The form in which latents are written.
public enum LatentForm: Sendable, Equatable {
  /// As the decoder takes them.
  case plain
  /// `(x - mean) / deviation`, by mean and deviation of each channel over the images of the file.
  case standardized
  /// As generative models take them.
  case scaled(LatentScaling)
}

extension LatentStorage {
  /// Latents of another program, which says nothing of them: the tensor `latents` of a safetensors file, or
  /// its only one; or a numpy array.
  ///
  /// - Returns: nil where the file says what it is.
  static func bare(
    path: String, channels: Int
  ) throws(TokenFileError) -> LatentStorage? {
    let storage: LatentStorage
    if TokenFormat(path: path) == .npy {
      let pair = FlatPair(of: PieceName(stem: PieceName.withoutExtension(path), format: .npy))
      guard pair.places.isEmpty else { return nil }
      let file: ReadableFile
      do { file = try ReadableFile(path: path) } catch { throw .file(error) }
      let (found, start) = try NpyHeader.read(file, latents: true)
      let declared = TensorDeclaration(name: "latents", type: found.type, shape: found.shape)
      guard let expected = declared.byteCount, file.byteCount - start == expected else {
        throw .layout(
          path: path,
          reason: "it holds \(file.byteCount - start) bytes behind a header that says "
            + "\(found.type.rawValue) \(found.shape)")
      }
      storage = LatentStorage(
        place: .flat(file, start: start), type: found.type, shape: found.shape)
    } else {
      let file: SafetensorsFile
      do { file = try SafetensorsFile(path: path) } catch {
        if case .file(let error) = error { throw .file(error) }
        throw .safetensors(error)
      }
      guard file.metadata["format_version"] == nil, file.metadata["fingerprint"] == nil else {
        return nil
      }
      let named = file.entries.first { $0.name == "latents" }
      guard let entry = named ?? (file.entries.count == 1 ? file.entries[0] : nil) else {
        throw .notLatents(
          path: path,
          reason: "it has \(file.entries.count) tensors, none of them named \"latents\"")
      }
      guard [.f32, .f16, .bf16].contains(entry.type) else {
        throw .layout(
          path: path,
          reason: "\"\(entry.name)\" is \(entry.type.rawValue), expected F32, F16 or BF16")
      }
      storage = LatentStorage(
        place: .tensor(file, entry), type: entry.type, shape: entry.shape)
    }
    return try storage.oriented(channels: channels, path: path)
  }

  /// Finds the axis of the channels; where both could be it, the first, as diffusers has it.
  private func oriented(channels: Int, path: String) throws(TokenFileError) -> LatentStorage {
    // An image alone has no axis for their number.
    let shape = shape.count == 3 ? [1] + shape : shape
    guard shape.count == 4, shape.allSatisfy({ $0 > 0 }),
      shape[1] == channels || shape[3] == channels
    else {
      throw .layout(
        path: path,
        reason: "its latents have shape \(self.shape), expected [N, \(channels), h, w] or "
          + "[N, h, w, \(channels)], as the autoencoder has \(channels) channels")
    }
    return LatentStorage(
      place: place, type: type, shape: shape, isChannelsFirst: shape[1] == channels)
  }
}
