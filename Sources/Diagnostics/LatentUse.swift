import Formatting

/// What latents that are not quantized carry: how many nats of each channel, and how far it varies.
///
/// In a variational autoencoder the KL divergence of a channel's posterior from the standard normal
/// distribution bounds what the channel can tell of an image. A channel whose divergence is about 0
/// tells nothing: its posterior is the prior, whatever the image. Where most channels are so, the
/// posterior has *collapsed* (Bowman and others, 1511.06349), and the KL term's weight is too large for
/// the reconstruction.
public struct LatentUse: Sendable, Equatable {
  /// The limits, and the argument for each.
  public enum Threshold {
    /// Nats a latent vector below which a channel is dead: 0.01.
    ///
    /// A hundredth of a nat at each place of the grid is a bit in seventy places. Channels that are used
    /// carry 1 to 10 nats each; dead ones fall to 0.001 and below.
    public static let nats = 0.01
    /// Deviation of a channel against that of the widest, below which it is dead where there are no
    /// divergences: 0.01, a ten-thousandth of its variance.
    public static let deviation = 0.01
    /// The share of dead channels above which the posterior has collapsed: a half.
    public static let dead = 0.5
  }

  /// Nats of each channel's divergence, the mean over latent vectors; nil where latents are no
  /// distributions.
  public let klByChannel: [Double]?
  /// The standard deviation of each channel over images and places, of means where latents are
  /// distributions.
  public let deviations: [Double]
  /// Latent vectors of an image.
  public let vectorsPerImage: Double

  /// Given numbers.
  public init(klByChannel: [Double]?, deviations: [Double], vectorsPerImage: Double) {
    self.klByChannel = klByChannel
    self.deviations = deviations
    self.vectorsPerImage = vectorsPerImage
  }

  /// Channels of a latent vector.
  public var channels: Int { deviations.count }

  /// Nats of an image: its latents' divergences, summed; nil where latents are no distributions.
  public var kl: Double? { klByChannel.map { $0.reduce(0, +) * vectorsPerImage } }

  /// The channels that carry nothing, ascending.
  public var deadChannels: [Int] {
    if let klByChannel {
      return klByChannel.indices.filter { !(klByChannel[$0] >= Threshold.nats) }
    }
    let widest = deviations.max() ?? 0
    return deviations.indices.filter { deviations[$0] <= Threshold.deviation * widest }
  }

  /// Whether the posterior has collapsed: most channels' divergences are about 0.
  public var hasCollapsed: Bool {
    klByChannel != nil && Double(deadChannels.count) > Threshold.dead * Double(channels)
  }

  /// The dead channels in words: `channel 2 is dead`, `channels 0 and 2 are dead`; nil where there are none.
  public var deadWords: String? {
    let dead = deadChannels
    guard !dead.isEmpty else { return nil }
    let names = dead.prefix(8).map(String.init)
    let list =
      dead.count > 8
      ? names.joined(separator: ", ") + " and \(dead.count - 8) more"
      : names.count > 1
        ? names.dropLast().joined(separator: ", ") + " and " + names[names.count - 1] : names[0]
    return "channel\(dead.count > 1 ? "s" : "") \(list) \(dead.count > 1 ? "are" : "is") dead"
  }

  /// The warning that training gives of a collapse: begins with its kind, and a colon.
  ///
  /// - Parameter remedy: what to do.
  public func warning(remedy: String) -> String? {
    guard hasCollapsed else { return nil }
    return "posterior collapse: \(collapseWords); \(remedy)"
  }

  /// What shows a collapse: `3 of 4 channels tell less than 0.01 nats a latent vector (at most 0.002)`.
  var collapseWords: String {
    let dead = deadChannels
    let most = dead.map { klByChannel?[$0] ?? 0 }.max() ?? 0
    return "\(dead.count) of \(channels) channels tell less than "
      + "\(Display.significant(Threshold.nats, 2)) nats a latent vector (at most "
      + "\(Display.significant(most, 2)))"
  }
}

/// Sums over the latents of many images, for ``LatentUse``.
public struct LatentSums: Sendable {
  /// The latents, or their means: how they vary.
  public private(set) var moments: VectorMoments
  private var divergences: [Double]
  private var hasDivergences = false

  /// No latents yet, of so many channels.
  public init(channels: Int) {
    moments = VectorMoments(dimension: channels)
    divergences = Array(repeating: 0, count: channels)
  }

  /// Adds latents `[n, channels]`, and the divergence of each in nats; none where they are no
  /// distributions.
  public mutating func add(_ latents: [Float], divergences added: [Float]) {
    precondition(added.isEmpty || added.count == latents.count, "a divergence for each latent")
    moments.add(latents)
    guard !added.isEmpty else { return }
    hasDivergences = true
    let channels = divergences.count
    for (index, divergence) in added.enumerated() {
      divergences[index % channels] += Double(divergence)
    }
  }

  /// What they carry.
  ///
  /// - Parameter images: how many images they are of.
  public func use(images: Int) -> LatentUse {
    let count = Double(max(1, moments.count))
    return LatentUse(
      klByChannel: hasDivergences ? divergences.map { $0 / count } : nil,
      deviations: moments.variances.map { $0.squareRoot() },
      vectorsPerImage: Double(moments.count) / Double(max(1, images)))
  }
}
