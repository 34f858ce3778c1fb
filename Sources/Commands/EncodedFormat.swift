import ArgumentParser
import Safetensors
import TokenFiles

/// What encode writes: a format of token files, or one of them with an index beside it.
enum EncodedFormat: String, CaseIterable, ExpressibleByArgument {
  case safetensors, npy, bin
  /// `.bin` with the index of Megatron-LM beside it.
  case megatron
  /// `.tar` shards of `.npy` members.
  case webdataset

  /// The format of the file with the ids.
  var format: TokenFormat {
    switch self {
    case .safetensors: .safetensors
    case .npy, .webdataset: .npy
    case .bin, .megatron: .bin
    }
  }
}

/// The integers that ids are written as: `--dtype`.
enum IdType: String, CaseIterable, ExpressibleByArgument {
  case uint8, uint16, uint32

  /// The type in a file.
  var element: ElementType {
    switch self {
    case .uint8: .u8
    case .uint16: .u16
    case .uint32: .u32
    }
  }

  /// The smallest that holds the ids of a tokenizer.
  init(of identity: TokenizerIdentity) {
    switch identity.idType {
    case .u8: self = .uint8
    case .u16: self = .uint16
    default: self = .uint32
    }
  }
}
