import Files

/// The families of tokenizers whose weights can be imported.
public enum TokenizerFamily: String, CaseIterable, Sendable {
  /// `VQModel` and `AutoencoderKL` of diffusers: latent diffusion, ITHQ, Stable Diffusion, SDXL, FLUX.
  case diffusers
  /// `VQModel` of diffusers with images in [0, 1].
  case amused
  /// taming-transformers and latent-diffusion, VQ and KL.
  case taming
  /// taming-transformers' `GumbelVQ`.
  case gumbel
  /// LlamaGen's VQ-8 and VQ-16.
  case llamagen
  /// The generation tokenizer of Janus and Janus-Pro: their own files, or those of transformers.
  case janus
  /// Meta's `vqgan.ckpt`.
  case chameleon
  /// Kakao's RQ-VAE.
  case rqvae = "rq-vae"
  /// `VQGANModel` of open-muse.
  case openMUSE = "open-muse"
  /// MaskGIT's VQGAN as open-muse and 1d-tokenizer have it.
  case maskgit
  /// SEED-Voken's IBQ.
  case ibq
  /// Show-o's MAGVITv2.
  case showO = "show-o"
  /// NVIDIA's Cosmos DI8x8 and DI16x16.
  case cosmos = "cosmos-di"
  /// SEED-Voken's Open-MAGVIT2.
  case openMAGVIT2 = "open-magvit2"

  /// What its files are, in few words.
  public var summary: String {
    switch self {
    case .diffusers: "VQModel and AutoencoderKL of diffusers"
    case .amused: "aMUSEd's VQModel, which takes [0, 1]"
    case .taming: "taming-transformers and latent-diffusion, VQ and KL"
    case .gumbel: "taming-transformers' GumbelVQ"
    case .llamagen: "LlamaGen VQ-8 and VQ-16"
    case .janus: "Janus and Janus-Pro"
    case .chameleon: "Chameleon's vqgan.ckpt, Anole, Lumina-mGPT"
    case .rqvae: "RQ-VAE"
    case .openMUSE: "open-muse's VQGANModel, which takes [0, 1]"
    case .maskgit: "MaskGIT's VQGAN in PyTorch (open-muse, TiTok, RAR)"
    case .ibq: "IBQ"
    case .showO: "Show-o's MAGVITv2"
    case .cosmos: "Cosmos DI8x8 and DI16x16"
    case .openMAGVIT2: "Open-MAGVIT2"
    }
  }

  /// The side of the images that the published weights are for.
  public var imageSize: Int {
    switch self {
    case .chameleon: 512
    case .janus: 384
    default: 256
    }
  }

  /// Whether the networks take and give images in [0, 1].
  var isUnitRange: Bool { self == .amused || self == .openMUSE || self == .maskgit }

  /// How its tensors are named.
  func names(_ names: some Collection<String>) -> NameMap {
    switch self {
    case .diffusers, .amused: .diffusers
    case .llamagen: .llamagen
    case .janus: names.contains { $0.hasPrefix("encoder.conv_blocks.") } ? .llamagen : .janus
    case .maskgit: .maskgit
    case .openMAGVIT2: .magvit2
    case .taming, .gumbel, .chameleon, .rqvae, .openMUSE, .ibq, .showO, .cosmos: .taming
    }
  }

  /// Beginnings of names within the tokenizer that say nothing about images: losses, counters, constants.
  var dropped: [String] {
    ["loss.", "discriminator.", "colorize", "quantize.codebook_used", "model_ema."]
      + {
        switch self {
        case .rqvae: ["quantizer.codebooks."]
        case .gumbel: ["quantize."]
        case .showO: ["quantize.embedding", "quantize.power_vals"]
        case .cosmos:
          ["quantizer.", "inv_quant.", "encoder.patcher.", "decoder.unpatcher.", "distribution."]
        case .openMAGVIT2: ["quantize."]
        default: []
        }
      }()
  }

  /// Recognizes a family by names, shapes and settings.
  ///
  /// Errors: where nothing fits, or two families fit that differ in what they compute.
  init(recognizing weights: ForeignWeights, prefix: String) throws {
    let tensors = weights.tensors
    func has(_ beginning: String) -> Bool { tensors.keys.contains { $0.hasPrefix(beginning) } }
    func text(_ key: String) -> String? { weights.settings?.text(key) }
    func extents(_ name: String) -> [Int] { tensors[name]?.shape ?? [] }
    if has("encoder.down_blocks.") {
      let channels = (0..<5).map {
        extents("encoder.down_blocks.\($0).resnets.0.conv2.weight").first
      }
      self = channels == [128, 256, 256, 512, 768] ? .amused : .diffusers
    } else if has("encoder.conv_blocks.") {
      self = prefix.contains("gen_vision_model") ? .janus : .llamagen
    } else if has("decoder.adaptive.") {
      self = .openMAGVIT2
    } else if has("decoder.up.1.upsample_conv.") {
      self = .maskgit
    } else if !has("encoder.down.") {
      throw ImportError(
        "\(weights.path): expected the tensors of a known family of tokenizers, found "
          + Self.listing(tensors.keys) + ". Known are: "
          + Self.allCases.map { "\($0.rawValue) (\($0.summary))" }.joined(separator: "; ") + ".")
    } else if has("quantize.proj.") {
      self = .gumbel
    } else if has("quantizer.codebooks.") {
      self = .rqvae
    } else if extents("encoder.conv_in.weight").dropFirst().first == 48 {
      self = .cosmos
    } else if has("quantize.power_vals") {
      self = .showO
    } else if text("_class_name") == "VQGANModel" {
      self = .openMUSE
    } else if prefix.contains("vqmodel") {
      // transformers: Janus, and Chameleon, which has no decoder there.
      self = has("decoder.") ? .janus : .chameleon
    } else if has("encoder.down.0.block.3."), !has("encoder.down.0.block.4.") {
      throw ImportError(
        "\(weights.path) has the tensors of both taming and ibq, which choose codes in different ways: by "
          + "distance, and by inner product. Name one: --from ibq, or --from taming.")
    } else if extents("quantize.embedding.weight") == [8192, 256], !has("encoder.down.4.attn."),
      has("encoder.down.4."), !has("encoder.down.5.")
    {
      self = .chameleon
    } else {
      self = .taming
    }
  }

  /// Some names, for whoever has to find out what a file is.
  static func listing(_ names: some Collection<String>) -> String {
    if names.isEmpty { return "none" }
    let shown = names.sorted().prefix(4).map { "\"\($0)\"" }.joined(separator: ", ")
    return names.count > 4 ? "\(shown) and \(names.count - 4) more" : shown
  }
}
