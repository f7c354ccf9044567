// The one table of what `langevin data get` knows. SHA-256 and MD5 are those that the sets' authors,
// torchvision or the TensorFlow datasets publish; sizes are exact.
#include "langevin/data/get.h"

namespace langevin {

std::vector<RemoteSet> remote_sets() {
  return {
      {"mnist",
       "handwritten digits: 60,000 + 10,000 gray pictures of 28x28, 10 classes (LeCun, Cortes, Burges)",
       "CC BY-SA 3.0",
       {"https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/"},
       {{"train-images-idx3-ubyte.gz", 9912422,
         "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
         "f68b3c2dcbeaaa9fbdd348bbdeb94873"},
        {"train-labels-idx1-ubyte.gz", 28881,
         "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
         "d53e105ee54ea40749a09fcbcd1e9432"},
        {"t10k-images-idx3-ubyte.gz", 1648877,
         "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
         "9fb629c4189551a2d022fa330f9573f3"},
        {"t10k-labels-idx1-ubyte.gz", 4542,
         "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
         "ec29112dd5afa0611ce80d1b7f02629c"}}},
      {"fashion-mnist",
       "clothes: 60,000 + 10,000 gray pictures of 28x28, 10 classes (Xiao, Rasul, Vollgraf; Zalando "
       "Research)",
       "MIT",
       {"https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"},
       {{"train-images-idx3-ubyte.gz", 26421880,
         "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
         "8d4fb7e6c68d591d4c3dfef9ec88bf0d"},
        {"train-labels-idx1-ubyte.gz", 29515,
         "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
         "25c81989df183df01b3e8a0aad5dffbe"},
        {"t10k-images-idx3-ubyte.gz", 4422102,
         "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
         "bef4ecab320f06d8554ea6380940ec79"},
        {"t10k-labels-idx1-ubyte.gz", 5148,
         "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
         "bb300cfdad3c16e7a12a480ee83cd310"}}},
      {"cifar10",
       "photographs: 50,000 + 10,000 colour pictures of 32x32, 10 classes (Krizhevsky)",
       "none stated; the authors ask to cite Krizhevsky, Learning Multiple Layers of Features from Tiny "
       "Images, 2009",
       {"https://www.cs.toronto.edu/~kriz/", "https://cave.cs.toronto.edu/kriz/"},
       {{"cifar-10-binary.tar.gz", 170052171,
         "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
         "c32a1d4ab5d03f1284b67883e8d87530"}}},
      {"cifar100",
       "photographs: 50,000 + 10,000 colour pictures of 32x32, 100 classes in 20 groups (Krizhevsky)",
       "none stated; the authors ask to cite Krizhevsky, Learning Multiple Layers of Features from Tiny "
       "Images, 2009",
       {"https://www.cs.toronto.edu/~kriz/", "https://cave.cs.toronto.edu/kriz/"},
       {{"cifar-100-binary.tar.gz", 168513733,
         "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
         "03b5dce01913d631647c71ecec9e9cb8"}}},
  };
}

}  // namespace langevin
